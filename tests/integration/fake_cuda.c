/* The part of the CUDA driver that waits for work: FAKE_CUDA_LOG gets a line for each wait, FAKE_CUDA_FAIL breaks it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int started = 0, current = -1, below = -1, retained = 0;
static double busy_until[2];

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void note(const char *what, int device) {
    FILE *log = fopen(getenv("FAKE_CUDA_LOG"), "a");
    fprintf(log, "%s %d\n", what, device);
    fclose(log);
}

/* What a framework does: a context on card 1, and a kernel that runs on for a while. */
void fake_launch(double seconds) {
    started = 1;
    busy_until[1] = now_s() + seconds;
}

/* What pycuda does: a context of its own making, current in this thread, on a card whose primary one nobody uses. */
void fake_own_context(double seconds) {
    started = 1;
    current = 0;
    busy_until[0] = now_s() + seconds;
}

int fake_idle(void) { return now_s() >= busy_until[1]; }
int fake_retained(void) { return retained; }

int cuDeviceGetCount(int *count) {
    if (getenv("FAKE_CUDA_FAIL") && !strcmp(getenv("FAKE_CUDA_FAIL"), "count")) return 999;
    if (!started) return 3;
    *count = 2;
    return 0;
}
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
    *flags = 0;
    *active = device == 1;
    return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
    retained++;
    *context = (void *)(long)(device + 100);
    return getenv("FAKE_CUDA_FAIL") && !strcmp(getenv("FAKE_CUDA_FAIL"), "retain") ? (retained--, 999) : 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
    (void)device;
    retained--;
    return 0;
}
int cuCtxPushCurrent_v2(void *context) {
    below = current;
    current = (int)(long)context - 100;
    return 0;
}
int cuCtxPopCurrent_v2(void **context) {
    *context = 0;
    current = below;
    return 0;
}
int cuCtxSynchronize(void) {
    if (current < 0) return 201;
    note("wait", current);
    while (now_s() < busy_until[current]) {} /* spins, as the real one does: a wait takes CPU */
    return 0;
}
