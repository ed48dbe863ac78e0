/* The functions of cfgmgr32, kernel32 and ole32 that codecarbon's reader of energy meters calls, for Linux: wchar_t and
 * DWORD are as wide as ctypes has them here. FAKE_EMI is a file: "DEVICE NAME KEY" a line for every channel, in order;
 * KEY is a number of pWh, "+N" of N pWh more at every read, "=NAME" for the register of another channel, or "!N" for the
 * Windows error N when it is measured. "DEVICE !N" as a line of its own: the device does not open. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

typedef unsigned long Dword;
enum { MOST = 16, VERSION = 0x224000, SIZE = 0x224004, METADATA = 0x224008, MEASUREMENT = 0x22400C };
typedef struct { char device[64], name[64], key[64]; uint64_t pwh; } Channel;
static Channel channels[MOST];
static int many = 0, error = 0;

int fake_last_error(void) { return error; }
static int refuse(int code) { return error = code, 0; }
static void load(void) {
    char line[256];
    FILE *f = fopen(getenv("FAKE_EMI"), "r");
    many = 0;
    while (f && fgets(line, sizeof line, f)) {
        Channel *c = &channels[many];
        uint64_t pwh = c->pwh;
        memset(c, 0, sizeof *c);
        c->pwh = pwh;
        if (sscanf(line, "%63s %63s %63s", c->device, c->name, c->key) >= 2) many++;
    }
    if (f) fclose(f);
}
static int listed(wchar_t *into) {
    int length = 0;
    load();
    for (int i = 0; i < many; i++) {
        if (i && !strcmp(channels[i].device, channels[i - 1].device)) continue;
        if (into) swprintf(into + length, 64, L"%hs", channels[i].device);
        length += (int)strlen(channels[i].device) + 1;
    }
    if (into) into[length] = 0;
    return length + 1;
}
int CLSIDFromString(const wchar_t *text, void *guid) { (void)guid; return wcslen(text) == 38 ? 0 : 1; }
int CM_Get_Device_Interface_List_SizeW(Dword *size, void *guid, void *id, int flags) {
    (void)guid, (void)id, (void)flags;
    return *size = (Dword)listed(NULL), 0;
}
int CM_Get_Device_Interface_ListW(void *guid, void *id, wchar_t *into, Dword size, int flags) {
    (void)guid, (void)id, (void)flags, (void)size;
    return listed(into), 0;
}
void *CreateFileW(const wchar_t *path, Dword access, Dword share, void *security, Dword how, Dword flags, void *template) {
    char name[64];
    (void)access, (void)share, (void)security, (void)how, (void)flags, (void)template;
    snprintf(name, sizeof name, "%ls", path);
    load();
    for (int i = 0; i < many; i++) {
        if (strcmp(channels[i].device, name)) continue;
        if (channels[i].name[0] == '!') break;
        return &channels[i];
    }
    error = 5;
    return (void *)-1;
}
int CloseHandle(void *handle) { return handle != NULL; }
static uint64_t read_channel(Channel *c) {
    if (c->key[0] == '+') return c->pwh += strtoull(c->key + 1, NULL, 10);
    if (c->key[0] == '=')
        for (int i = 0; i < many; i++)
            if (!strcmp(channels[i].name, c->key + 1)) return channels[i].pwh;
    return strtoull(c->key, NULL, 10);
}
int DeviceIoControl(void *handle, Dword code, void *in, Dword in_size, char *out, Dword size, Dword *returned, void *overlapped) {
    Channel *first = handle;
    uint16_t n = 0;
    (void)in, (void)in_size, (void)overlapped;
    while (first + n < channels + many && !strcmp(first[n].device, first->device)) n++;
    Dword length = 68;
    for (int i = 0; i < n; i++) length += 6 + 2 * (Dword)(strlen(first[i].name) + 1);
    if (code == VERSION) return *(uint16_t *)out = 2, *returned = 2, 1;
    if (code == SIZE) return *(uint32_t *)out = (uint32_t)length, *returned = 4, 1;
    if (code == METADATA) {
        if (first->key[0] == '?') return memset(out, 1, size), *returned = 3, 1; /* cut off */
        memset(out, 0, size);
        memcpy(out + 66, &n, 2);
        char *at = out + 68;
        for (int i = 0; i < n; i++) {
            uint16_t bytes = (uint16_t)(2 * (strlen(first[i].name) + 1));
            memcpy(at + 4, &bytes, 2);
            for (size_t k = 0; k < strlen(first[i].name); k++) at[6 + 2 * k] = first[i].name[k];
            at += 6 + bytes;
        }
        return *returned = length, 1;
    }
    for (int i = 0; i < n; i++) {
        if (first[i].key[0] == '!') return refuse(atoi(first[i].key + 1));
        uint64_t both[2] = {read_channel(&first[i]), 1};
        memcpy(out + 16 * i, both, 16);
    }
    return *returned = 16 * (Dword)n, code == MEASUREMENT;
}
