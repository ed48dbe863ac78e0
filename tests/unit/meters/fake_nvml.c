/* A libnvidia-ml.so.1 of two cards that nvidia-ml-py loads; what it answers is set by the environment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, CARDS = 2 };
static int users = 0, reads = 0;
static unsigned long long energy_mj[CARDS] = {5000, 7000};

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

int nvmlDeviceGetCount_v2(unsigned *count) { *count = setting("FAKE_NVML_COUNT", CARDS); return SUCCESS; }
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
    snprintf(text, size, "Fake H%d00", index_of(handle) + 1);
    return SUCCESS;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    *current = *pending = setting("FAKE_NVML_MIG", -1) == index_of(handle);
    return index_of(handle) == 0 ? SUCCESS : setting("FAKE_NVML_MIG", -1) == 1 ? SUCCESS : NOT_SUPPORTED;
}
/* Every read finds 1 J more, FAKE_NVML_STEP otherwise; FAKE_NVML_ENERGY is an error code after so many reads. */
int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *mj) {
    if (users == 0) return UNINITIALIZED;
    if (reads++ >= setting("FAKE_NVML_AFTER", 0)) {
        int code = setting("FAKE_NVML_ENERGY", SUCCESS);
        if (code != SUCCESS) return code;
        if (setting("FAKE_NVML_ZERO", 0)) { *mj = 0; return SUCCESS; }
    }
    *mj = *(unsigned long long *)handle += setting("FAKE_NVML_STEP", 1000);
    return SUCCESS;
}
