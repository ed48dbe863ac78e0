/* A libamd_smi.so that the binding amdsmi loads. FAKE_AMD_SCRIPT is a file; every tick of a card is a line of it:
 * "CARD KEY=VALUE ...". The first line of a card holds before its first tick, and the last one for ever; a tick begins
 * when the activity of the card is asked for. Keys: name, bus (BUS.FUNCTION in decimal; 12 + CARD without it),
 * hip (its number there), energy (counts of 2^-16 J), power (W), util (percent), procs (pids, by commas; "@FILE" for what
 * a file holds). A value "!N" is the status N; a key that is not there is "not supported".
 * Once there is a file FAKE_AMD_LOST, every card is "not found".
 * What the binding wants besides is made by the tests: functions that answer "not supported". */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 2, NOT_FOUND = 31, NOT_INIT = 32, MOST_CARDS = 8, MOST = 500 };
static char *lines[MOST_CARDS][MOST];
static int ticks[MOST_CARDS], at[MOST_CARDS], begun[MOST_CARDS], cards = 0, initialised = 0;
static int places[MOST_CARDS];

static void load(void) {
    static int loaded = 0;
    char line[4096];
    const char *name = getenv("FAKE_AMD_SCRIPT");
    if (loaded++ || !name) return;
    FILE *f = fopen(name, "r");
    while (f && fgets(line, sizeof line, f)) {
        int card = line[0] - '0';
        line[strcspn(line, "\n")] = 0;
        strcat(line, " ");
        lines[card][ticks[card]++] = strdup(line);
        if (card >= cards) cards = card + 1;
    }
    if (f) fclose(f);
}
static int card_of(void *handle) { return (int)((int *)handle - places); }
/* The value of a key, up to the next blank; its status otherwise. */
static const char *value(void *handle, const char *key, int *code) {
    static char found[4096];
    char start[32];
    int card = card_of(handle);
    if (!initialised) return *code = NOT_INIT, NULL;
    FILE *lost = getenv("FAKE_AMD_LOST") ? fopen(getenv("FAKE_AMD_LOST"), "r") : NULL;
    if (lost) return fclose(lost), *code = NOT_FOUND, NULL;
    snprintf(start, sizeof start, " %s=", key);
    const char *text = strstr(lines[card][at[card]], start);
    if (!text) return *code = NOT_SUPPORTED, NULL;
    text += strlen(start);
    snprintf(found, sizeof found, "%.*s", (int)strcspn(text, " "), text);
    if (*found == '!') return *code = atoi(found + 1), NULL;
    if (*found == '@') {
        FILE *f = fopen(found + 1, "r");
        found[f ? fread(found, 1, sizeof found - 1, f) : 0] = 0;
        if (f) fclose(f);
    }
    return *code = SUCCESS, found;
}
static int number(void *handle, const char *key, uint64_t *n) {
    int code;
    const char *text = value(handle, key, &code);
    if (text) *n = strtoull(text, NULL, 10);
    return code;
}

int amdsmi_init(uint64_t flags) {
    (void)flags;
    const char *code = getenv("FAKE_AMD_INIT");
    if (code) return atoi(code);
    load();
    return initialised = 1, SUCCESS;
}
int amdsmi_shut_down(void) { return initialised = 0, SUCCESS; }
int amdsmi_get_socket_handles(uint32_t *count, void **found) {
    for (int i = 0; found && i < cards; i++) found[i] = &places[i];
    return *count = (uint32_t)cards, SUCCESS;
}
int amdsmi_get_processor_handles(void *socket, uint32_t *count, void **found) {
    if (found) *found = socket;
    return *count = 1, SUCCESS;
}
int amdsmi_get_energy_count(void *handle, uint64_t *counts, float *step_uj, uint64_t *stamp) {
    *step_uj = 15.2587890625f, *stamp = 1;
    return number(handle, "energy", counts);
}
typedef struct { uint64_t socket; uint32_t current, average; uint64_t voltages[3]; uint32_t limit, pad; uint64_t rest[18]; } Power;
int amdsmi_get_power_info(void *handle, Power *power) {
    uint64_t watts = 0;
    int code = number(handle, "power", &watts);
    memset(power, 0, sizeof *power);
    power->socket = power->current = 0xFFFF, power->average = (uint32_t)watts;
    return code;
}
typedef struct { uint32_t gfx, umc, mm, rest[13]; } Activity;
int amdsmi_get_gpu_activity(void *handle, Activity *activity) {
    int card = card_of(handle);
    uint64_t percent = 0;
    if (begun[card]++ && at[card] + 1 < ticks[card]) at[card]++;
    int code = number(handle, "util", &percent);
    memset(activity, 0, sizeof *activity);
    activity->gfx = (uint32_t)percent;
    return code;
}
typedef struct {
    char name[256];
    uint32_t pid;
    uint64_t mem;
    struct { uint64_t gfx, enc; uint32_t rest[12]; } engine;
    struct { uint64_t gtt, cpu, vram; uint32_t rest[10]; } memory;
    char container[256];
    uint32_t cu_occupancy, rest[11];
} Process;
int amdsmi_get_gpu_process_list(void *handle, uint32_t *count, Process *found) {
    int code;
    const char *text = value(handle, "procs", &code);
    uint32_t n = 0;
    if (code != SUCCESS) return code;
    while (text && *text) {
        char *end;
        memset(&found[n], 0, sizeof *found);
        strcpy(found[n].name, "python3");
        found[n++].pid = (uint32_t)strtoul(text, &end, 10);
        text = *end == ',' ? end + 1 : NULL;
    }
    return *count = n, SUCCESS;
}
typedef struct {
    char market_name[256];
    uint32_t vendor_id;
    char vendor_name[256];
    uint32_t subvendor_id;
    uint64_t device_id;
    uint32_t rev_id;
    char serial[256];
    uint32_t oam_id, units;
    uint64_t version;
    uint32_t subsystem_id, rest[21];
} Asic;
int amdsmi_get_gpu_asic_info(void *handle, Asic *asic) {
    int code;
    const char *text = value(handle, "name", &code);
    memset(asic, 0, sizeof *asic);
    for (int i = 0; text && text[i]; i++) asic->market_name[i] = text[i] == '_' ? ' ' : text[i];
    strcpy(asic->serial, "0x1");
    return code;
}
typedef struct { uint32_t render, card, hsa, hip; char uuid[256]; } Numbers;
int amdsmi_get_gpu_enumeration_info(void *handle, Numbers *numbers) {
    uint64_t hip = 0;
    int code = number(handle, "hip", &hip);
    numbers->hip = (uint32_t)hip;
    snprintf(numbers->uuid, sizeof numbers->uuid, "GPU-%c000000000000000", 'a' + card_of(handle));
    return code;
}
int amdsmi_get_gpu_device_bdf(void *handle, uint64_t *bdf) {
    int code;
    unsigned bus = 12 + (unsigned)card_of(handle), function = 0;
    const char *text = value(handle, "bus", &code);
    if (text) sscanf(text, "%u.%u", &bus, &function);
    *bdf = function | (uint64_t)bus << 8;
    return initialised ? SUCCESS : NOT_INIT;
}
