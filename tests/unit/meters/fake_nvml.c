/* A libnvidia-ml.so.1 of two cards (FAKE_NVML_COUNT, up to 8) that nvidia-ml-py loads; what it answers is set by the
 * environment. With FAKE_NVML_EVENTS its cards work in real time: see live_card.h.
 *
 * With FAKE_NVML_SCRIPT, a file, every tick is a line of it: "CARD KEY=VALUE ...". The first line of a card holds before
 * its first tick, and the last one for ever; a tick begins when the utilisation of the card is asked for. Keys: energy
 * and power (mJ and mW), util (percent), procs and draws (pids, by commas; "@FILE" for what a file holds), loads (PID:PERCENT), samples
 * (MICROSECONDS:MW). A value "!N" is the return code N; a key that is not there is "not supported". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, SMALL = 7, CARDS = 8, MOST = 500 };
static int users = 0, reads = 0;
static unsigned long long energy_mj[CARDS] = {5000, 7000};
#include "live_card.h"

static char *lines[CARDS][MOST];
static int ticks[CARDS], at[CARDS], loaded = 0, asked = 0;
int fake_asked(void) { return asked; } /* how often for power samples */

static void load(void) {
    const char *name = getenv("FAKE_NVML_SCRIPT");
    char line[4096];
    if (loaded++ || !name) return;
    FILE *f = fopen(name, "r");
    while (f && fgets(line, sizeof line, f)) {
        int card = line[0] - '0';
        line[strcspn(line, "\n")] = 0;
        lines[card][ticks[card]++] = strdup(line);
    }
    if (f) fclose(f);
}
/* The value of a key in this card's line; its code otherwise. */
static const char *value(int card, const char *key, int *code) {
    char start[32];
    load();
    snprintf(start, sizeof start, " %s=", key);
    const char *found = ticks[card] ? strstr(lines[card][at[card]], start) : NULL;
    if (!found) return *code = NOT_SUPPORTED, NULL;
    found += strlen(start);
    if (*found == '@') { /* what a file holds now; "@/path/to/it" */
        static char held[4096];
        char name[1024];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(found + 1, " "), found + 1);
        FILE *f = fopen(name, "r");
        held[f ? fread(held, 1, sizeof held - 1, f) : 0] = 0;
        if (f) fclose(f);
        return *code = SUCCESS, held;
    }
    if (*found == '!') return *code = atoi(found + 1), NULL;
    return *code = SUCCESS, found;
}
static int number(int card, const char *key, unsigned long long *n) {
    int code;
    const char *text = value(card, key, &code);
    if (text) *n = strtoull(text, NULL, 10);
    return code;
}
/* A list: "A:B,C:D" or "A,C". How many there are. */
static int list(const char *text, unsigned long long *first, unsigned *second) {
    int n = 0;
    while (text && *text && *text != ' ') {
        char *end;
        first[n] = strtoull(text, &end, 10);
        second[n] = *end == ':' ? (unsigned)strtoul(end + 1, &end, 10) : 0;
        n++;
        text = *end == ',' ? end + 1 : NULL;
    }
    return n;
}

static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

int fake_users(void) { return users; }

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    int code = setting("FAKE_NVML_INIT", SUCCESS);
    if (code == SUCCESS) users++;
    return code;
}
int nvmlShutdown(void) { return users > 0 ? (users--, SUCCESS) : UNINITIALIZED; }
const char *nvmlErrorString(int code) { return code == 77 ? "Something New" : "Unknown"; }

int nvmlDeviceGetCount_v2(unsigned *count) { *count = setting("FAKE_NVML_COUNT", 2); return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **handle) {
    *handle = &energy_mj[i];
    return i < CARDS ? SUCCESS : INVALID;
}
static int index_of(void *handle) { return (int)((unsigned long long *)handle - energy_mj); }
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
    snprintf(text, size, "GPU-%c0000000-fake", 'a' + index_of(handle));
    return SUCCESS;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned size) {
    const char *name = getenv("FAKE_NVML_NAME");
    if (name) snprintf(text, size, "%s", name);
    else snprintf(text, size, "Fake H%d00", index_of(handle) + 1);
    return SUCCESS;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    *current = *pending = setting("FAKE_NVML_MIG", -1) == index_of(handle);
    return index_of(handle) == 0 ? SUCCESS : setting("FAKE_NVML_MIG", -1) == 1 ? SUCCESS : NOT_SUPPORTED;
}
/* Every read finds 1 J more, FAKE_NVML_STEP otherwise; FAKE_NVML_ENERGY is an error code after so many reads. */
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *mj) {
    if (users == 0) return UNINITIALIZED;
    if (live()) return live_energy(index_of(handle), mj);
    if (getenv("FAKE_NVML_SCRIPT")) return number(index_of(handle), "energy", mj);
    if (reads++ >= setting("FAKE_NVML_AFTER", 0)) {
        int code = setting("FAKE_NVML_ENERGY", SUCCESS);
        if (code != SUCCESS) return code;
        if (setting("FAKE_NVML_ZERO", 0)) { *mj = 0; return SUCCESS; }
    }
    *mj = *(unsigned long long *)handle += setting("FAKE_NVML_STEP", 1000);
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *handle, unsigned *rates) {
    int card = index_of(handle);
    unsigned long long percent = 0;
    static int begun[CARDS];
    rates[1] = 0;
    if (live()) return live_load(card, rates);
    load();
    if (begun[card]++ && at[card] + 1 < ticks[card]) at[card]++;
    int code = number(card, "util", &percent);
    rates[0] = (unsigned)percent, rates[1] = 0;
    return code;
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *mw) {
    unsigned long long n = 0;
    if (live()) return live_power(index_of(handle), mw);
    int code = number(index_of(handle), "power", &n);
    *mw = (unsigned)n;
    return code;
}
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } Process;
static int processes(void *handle, const char *key, unsigned *count, Process *found) {
    static unsigned long long pids[64];
    static unsigned none[64];
    int code;
    unsigned n = 0;
    if (live()) code = live_holders(index_of(handle), key, pids, &n);
    else n = (unsigned)list(value(index_of(handle), key, &code), pids, none);
    if (code != SUCCESS) return code;
    if (*count < n) return *count = n, SMALL;
    for (unsigned i = 0; i < n; i++) found[i] = (Process){(unsigned)pids[i], 1, 0, 0};
    *count = n;
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, Process *found) {
    return processes(handle, "procs", count, found);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, Process *found) {
    return processes(handle, "draws", count, found);
}
typedef struct { unsigned pid; unsigned long long stamp; unsigned sm, memory, encoder, decoder; } Load;
int nvmlDeviceGetProcessUtilization(void *handle, Load *found, unsigned *count, unsigned long long since) {
    static unsigned long long pids[64];
    static unsigned percent[64];
    int code;
    unsigned n = 0;
    if (live()) code = live_loads(index_of(handle), since, pids, percent, &n);
    else n = (unsigned)list(value(index_of(handle), "loads", &code), pids, percent);
    if (code != SUCCESS) return code;
    if (n == 0) return NOT_FOUND;
    if (*count < n) return *count = n, SMALL;
    for (unsigned i = 0; i < n; i++) found[i] = (Load){(unsigned)pids[i], live() ? now_us() : since + 1, percent[i], 0, 0, 0};
    *count = n;
    return SUCCESS;
}
typedef struct { unsigned long long stamp; union { double d; unsigned u; unsigned long long l; } value; } Sample;
int nvmlDeviceGetSamples(void *handle, int kind, unsigned long long since, int *type, unsigned *count, Sample *found) {
    static unsigned long long stamps[4096];
    static unsigned mw[4096];
    int code;
    (void)kind;
    asked++;
    unsigned n = 0, newer = 0;
    if (live()) code = live_samples(index_of(handle), stamps, mw, &n);
    else n = (unsigned)list(value(index_of(handle), "samples", &code), stamps, mw);
    if (code != SUCCESS) return code;
    *type = 1;
    for (unsigned i = 0; i < n; i++) {
        if (stamps[i] <= since) continue;
        if (found) found[newer] = (Sample){stamps[i], {.u = mw[i]}};
        newer++;
    }
    *count = newer;
    return newer ? SUCCESS : NOT_FOUND;
}
