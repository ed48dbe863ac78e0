/* A libnvidia-ml.so.1 of two cards (FAKE_NVML_COUNT, up to 8) that nvidia-ml-py loads; what it answers is set by the
 * environment. With FAKE_NVML_EVENTS its cards work in real time: see live_card.h.
 *
 * With FAKE_NVML_SCRIPT, a file, every tick is a line of it: "CARD KEY=VALUE ...". The first line of a card holds before
 * its first tick, and the last one for ever; a tick begins when the utilisation of the card is asked for. Keys: energy
 * and power (mJ and mW), util (percent), procs and draws (pids, by commas; "@FILE" for what a file holds), loads (PID:PERCENT), samples
 * (MICROSECONDS:MW). A value "!N" is the return code N; a key that is not there is "not supported".
 *
 * With FAKE_NVML_LINE_MS a line lasts so many milliseconds instead, whatever is asked; fake_line(n) goes to a line by hand.
 * MIG, limits and virtual GPUs: see the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, SMALL = 7, CARDS = 8, MOST = 500 };
static int users = 0, reads = 0, opened = 0;
int fake_opened(void) { return opened; } /* a bit for each card */
static unsigned long long energy_mj[CARDS] = {5000, 7000};
#include "live_card.h"

static char *lines[CARDS][MOST];
static int ticks[CARDS], at[CARDS], loaded = 0, asked = 0;
static int by_time(void);
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
    by_time();
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
    opened |= 1 << i;
    return i < CARDS ? SUCCESS : INVALID;
}
static int index_of(void *handle) { return (int)((unsigned long long *)handle - energy_mj); }
static int instance_uuid(void *handle, char *text, unsigned size);
static const char *processes_key(void **handle, const char *key);
int nvmlDeviceGetUUID(void *handle, char *text, unsigned size) {
    if (instance_uuid(handle, text, size)) return SUCCESS;
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
    if (!by_time() && begun[card]++ && at[card] + 1 < ticks[card]) at[card]++;
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
    key = processes_key(&handle, key);
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

/* --- Time instead of ticks ---------------------------------------------------------------------------------------- */
#include <time.h>
static int by_hand = -1;
void fake_line(int n) { by_hand = n; }
static int by_time(void) {
    static long long first_ns = -1;
    int ms = setting("FAKE_NVML_LINE_MS", 0), line = by_hand;
    if (line < 0 && !ms) return 0;
    if (line < 0) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        long long now_ns = now.tv_sec * 1000000000LL + now.tv_nsec;
        if (first_ns < 0) first_ns = now_ns;
        line = (int)((now_ns - first_ns) / (ms * 1000000LL));
    }
    for (int card = 0; card < CARDS; card++) at[card] = line < ticks[card] ? line : ticks[card] ? ticks[card] - 1 : 0;
    return 1;
}

/* --- MIG, on the card that FAKE_NVML_MIG names ----------------------------------------------------------------------
 * FAKE_NVML_INSTANCES: "GI:CI:SLICES:MULTIPROCESSORS,..." of the instances that the caller may see; "!N" in the place of
 * one: asking for it is the return code N. FAKE_NVML_SLICES: of the whole card (7). FAKE_NVML_ATTRIBUTES: a return code.
 * FAKE_NVML_UUIDS=old: as drivers before 470 name instances. Processes of instance I are the keys procsI and drawsI of its card. */
enum { INSTANCES = 8 };
static char instances[CARDS][INSTANCES];
static int instance_of(void *handle, int *card) {
    long place = (char *)handle - &instances[0][0];
    if (place < 0 || place >= CARDS * INSTANCES) return -1;
    return *card = (int)(place / INSTANCES), (int)(place % INSTANCES);
}
static int instance(int n, unsigned *facts) { /* GI, CI, slices, multiprocessors */
    const char *text = getenv("FAKE_NVML_INSTANCES");
    for (; text && n > 0; n--) text = (text = strchr(text, ',')) ? text + 1 : NULL;
    if (!text) return NOT_FOUND;
    if (*text == '!') return atoi(text + 1);
    return sscanf(text, "%u:%u:%u:%u", facts, facts + 1, facts + 2, facts + 3) == 4 ? SUCCESS : INVALID;
}
static int instance_uuid(void *handle, char *text, unsigned size) {
    unsigned facts[4];
    int card, n = instance_of(handle, &card);
    if (n < 0 || instance(n, facts) != SUCCESS) return 0;
    const char *kind = getenv("FAKE_NVML_UUIDS");
    if (kind) snprintf(text, size, "MIG-GPU-%c0000000-fake/%u/%u", 'a' + card, facts[0], facts[1]);
    else snprintf(text, size, "MIG-%c%d000000-fake", 'a' + card, n);
    return 1;
}
static const char *processes_key(void **handle, const char *key) {
    static char name[32];
    int card, n = instance_of(*handle, &card);
    if (n < 0) return key;
    snprintf(name, sizeof name, "%s%d", key, n);
    *handle = &energy_mj[card];
    return name;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) {
    (void)handle;
    *count = (unsigned)setting("FAKE_NVML_SLICES", 7);
    return SUCCESS;
}
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned n, void **found) {
    unsigned facts[4];
    if (n >= INSTANCES) return INVALID;
    *found = &instances[index_of(handle)][n];
    return instance((int)n, facts);
}
int nvmlDeviceGetGpuInstanceId(void *handle, unsigned *id) {
    unsigned facts[4];
    int card, n = instance_of(handle, &card), code = n < 0 ? INVALID : instance(n, facts);
    *id = facts[0];
    return code;
}
int nvmlDeviceGetComputeInstanceId(void *handle, unsigned *id) {
    unsigned facts[4];
    int card, n = instance_of(handle, &card), code = n < 0 ? INVALID : instance(n, facts);
    *id = facts[1];
    return code;
}
typedef struct { unsigned multiprocessors, shared[5], gpu_slices, compute_slices; unsigned long long memory_mb; } Attributes;
int nvmlDeviceGetAttributes_v2(void *handle, Attributes *found) {
    unsigned facts[4];
    int card, n = instance_of(handle, &card), code = setting("FAKE_NVML_ATTRIBUTES", SUCCESS);
    if (code != SUCCESS) return code;
    if (n < 0) return NOT_SUPPORTED;
    code = instance(n, facts);
    *found = (Attributes){facts[3], {0}, facts[2], facts[2], 1024};
    return code;
}

/* --- FAKE_NVML_LIMIT, in mW; FAKE_NVML_VIRTUAL: an nvmlGpuVirtualizationMode_t -------------------------------------- */
int nvmlDeviceGetEnforcedPowerLimit(void *handle, unsigned *mw) {
    (void)handle;
    *mw = (unsigned)setting("FAKE_NVML_LIMIT", 0);
    return *mw ? SUCCESS : NOT_SUPPORTED;
}
int nvmlDeviceGetVirtualizationMode(void *handle, unsigned *mode) {
    (void)handle;
    *mode = (unsigned)setting("FAKE_NVML_VIRTUAL", -1);
    return *mode == (unsigned)-1 ? NOT_SUPPORTED : SUCCESS;
}
