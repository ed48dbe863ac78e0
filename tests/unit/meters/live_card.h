/* A card that works in real time: what tests tell it to do, in a file (FAKE_NVML_EVENTS), is what its driver answers.
 *
 * A line is an event, times in ns of CLOCK_MONOTONIC:
 *     work CARD FROM UNTIL PID MILLIWATTS     above rest
 *     hold CARD FROM PID                      a context, until "drop CARD FROM PID"
 *     fault CARD FROM KEY CODE                from then on; a code of 0 ends it. KEY: energy, power, util, procs, draws,
 *                                             loads, samples, or all
 *     reset CARD FROM MILLIJOULES             what the counter shows then
 *
 * At rest it takes 80 W, 120 W while anybody holds it. As an H100's: the counter moves every 100 ms, the load every 200 ms
 * and is of the 200 ms before, power samples are means of 20 ms, the last 119 are kept. The load of a process is its
 * part of what was worked, 600 W being 100 percent. FAKE_NVML_PIDS is added to every pid: those of a container's host.
 * Every answer of the counter is written to FAKE_NVML_LOG: "CARD NS MILLIJOULES". */
#include <time.h>

enum { BARE_MW = 80000, HELD_MW = 40000, FULL_MW = 600000, MOST_EVENTS = 2000, KEPT = 119 };
#define STEP_NS 100000000LL
#define LOAD_NS 200000000LL
#define SAMPLE_NS 20000000LL
typedef long long Ns;
typedef struct { char kind; int card, pid, code; Ns from, until; long long much; char key[16]; } Event;
static Event events[MOST_EVENTS];
static int n_events;

static Ns clock_of(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}
/* What was told so far; 0 where no live card is wanted. */
static int live(void) {
    const char *name = getenv("FAKE_NVML_EVENTS");
    FILE *f = name ? fopen(name, "r") : NULL;
    char line[256];
    n_events = 0;
    while (f && n_events < MOST_EVENTS && fgets(line, sizeof line, f)) {
        Event *e = &events[n_events], none = {0};
        *e = none;
        e->kind = line[0];
        int read = line[0] == 'w' ? sscanf(line, "work %d %lld %lld %d %lld", &e->card, &e->from, &e->until, &e->pid, &e->much) - 5
            : line[0] == 'h' ? sscanf(line, "hold %d %lld %d", &e->card, &e->from, &e->pid) - 3
            : line[0] == 'd' ? sscanf(line, "drop %d %lld %d", &e->card, &e->from, &e->pid) - 3
            : line[0] == 'f' ? sscanf(line, "fault %d %lld %15s %d", &e->card, &e->from, e->key, &e->code) - 4
            : line[0] == 'r' ? sscanf(line, "reset %d %lld %lld", &e->card, &e->from, &e->much) - 3 : -1;
        n_events += read == 0;
    }
    if (f) fclose(f);
    return name != NULL;
}
static int faulty(int card, const char *key, Ns now) {
    int code = SUCCESS;
    for (int i = 0; i < n_events; i++) {
        Event *e = &events[i];
        if (e->kind == 'f' && e->card == card && e->from <= now && (!strcmp(e->key, key) || !strcmp(e->key, "all")))
            code = e->code;
    }
    return code;
}
/* Who holds the card at a moment, each once. */
static int holders_at(int card, Ns t, unsigned long long *pids) {
    int n = 0;
    for (int i = 0; i < n_events; i++) {
        Event *e = &events[i];
        int at = 0;
        if (e->card != card || e->from > t || (e->kind != 'h' && e->kind != 'd')) continue;
        while (at < n && pids[at] != (unsigned long long)e->pid) at++;
        if (e->kind == 'h' && at == n && n < 64) pids[n++] = (unsigned long long)e->pid;
        if (e->kind == 'd' && at < n) pids[at] = pids[--n];
    }
    return n;
}
/* Nanojoules... in mW x ns, between two moments: work of one process (0: of all), and of rest where asked for. */
static double worked(int card, Ns a, Ns b, int pid) {
    double sum = 0;
    for (int i = 0; i < n_events; i++) {
        Event *e = &events[i];
        if (e->kind != 'w' || e->card != card || (pid && e->pid != pid)) continue;
        Ns from = e->from > a ? e->from : a, until = e->until < b ? e->until : b;
        if (until > from) sum += (double)e->much * (double)(until - from);
    }
    return sum;
}
static double rested(int card, Ns a, Ns b) {
    double sum = (double)BARE_MW * (double)(b - a);
    unsigned long long pids[64];
    Ns at = a;
    while (at < b) { /* from one change of holders to the next */
        Ns next = b;
        for (int i = 0; i < n_events; i++) {
            Event *e = &events[i];
            if (e->card == card && (e->kind == 'h' || e->kind == 'd') && e->from > at && e->from < next) next = e->from;
        }
        if (holders_at(card, at, pids)) sum += (double)HELD_MW * (double)(next - at);
        at = next;
    }
    return sum;
}
/* Busy ns: the union of all work. */
static Ns busy(int card, Ns a, Ns b) {
    Ns sum = 0, at = a;
    while (at < b) {
        Ns until = at, next = b;
        for (int i = 0; i < n_events; i++) {
            Event *e = &events[i];
            if (e->kind != 'w' || e->card != card) continue;
            if (e->from <= at && e->until > until) until = e->until;
            if (e->from > at && e->from < next) next = e->from;
        }
        if (until > b) until = b;
        sum += until - at;
        at = until > at ? until : next;
    }
    return sum;
}
static unsigned long long counted(int card, Ns now) {
    Ns t = now / STEP_NS * STEP_NS, since = 0;
    double mj = 0;
    static Ns begun; /* of the counter: an hour at rest before the first question */
    if (!begun) begun = t - 3600 * 1000000000LL;
    since = begun;
    for (int i = 0; i < n_events; i++)
        if (events[i].kind == 'r' && events[i].card == card && events[i].from <= t)
            since = events[i].from, mj = (double)events[i].much;
    return (unsigned long long)(mj + (worked(card, since, t, 0) + rested(card, since, t)) / 1e9);
}
static void note(int card, Ns now, unsigned long long mj) {
    const char *name = getenv("FAKE_NVML_LOG");
    FILE *f = name ? fopen(name, "a") : NULL;
    if (f) fprintf(f, "%d %lld %llu\n", card, now, mj), fclose(f);
}
static int shown(int pid) {
    const char *more = getenv("FAKE_NVML_PIDS");
    return pid + (more ? atoi(more) : 0);
}

static int live_energy(int card, unsigned long long *mj) {
    Ns now = clock_of(CLOCK_MONOTONIC);
    int code = faulty(card, "energy", now);
    if (code == SUCCESS) *mj = counted(card, now), note(card, now, *mj);
    return code;
}
static int live_power(int card, unsigned *mw) {
    Ns now = clock_of(CLOCK_MONOTONIC), since = now - SAMPLE_NS;
    *mw = (unsigned)((worked(card, since, now, 0) + rested(card, since, now)) / SAMPLE_NS);
    return faulty(card, "power", now);
}
static int live_load(int card, unsigned *percent) {
    Ns now = clock_of(CLOCK_MONOTONIC), until = now / LOAD_NS * LOAD_NS;
    *percent = (unsigned)((busy(card, until - LOAD_NS, until) * 100 + LOAD_NS / 2) / LOAD_NS);
    return faulty(card, "util", now);
}
static int live_holders(int card, const char *key, unsigned long long *pids, unsigned *n) {
    Ns now = clock_of(CLOCK_MONOTONIC);
    *n = strcmp(key, "procs") ? 0 : (unsigned)holders_at(card, now, pids);
    for (unsigned i = 0; i < *n; i++) pids[i] = (unsigned long long)shown((int)pids[i]);
    return faulty(card, key, now);
}
static Ns offset_ns(void) { /* from CLOCK_MONOTONIC to the driver's time stamps; one for ever, as the samples' grid is */
    static Ns offset;
    if (!offset) offset = clock_of(CLOCK_REALTIME) - clock_of(CLOCK_MONOTONIC);
    return offset;
}
static unsigned long long now_us(void) { return (unsigned long long)(clock_of(CLOCK_MONOTONIC) + offset_ns()) / 1000; }
static int live_loads(int card, unsigned long long since_us, unsigned long long *pids, unsigned *percent, unsigned *n) {
    Ns now = clock_of(CLOCK_MONOTONIC), since = (Ns)since_us * 1000 - offset_ns();
    *n = 0;
    for (int i = 0; i < n_events && now > since; i++) {
        Event *e = &events[i];
        unsigned at = 0;
        if (e->kind != 'w' || e->card != card || e->until <= since || e->from >= now) continue;
        while (at < *n && pids[at] != (unsigned long long)shown(e->pid)) at++;
        if (at < *n || at == 64) continue;
        percent[at] = (unsigned)(100 * worked(card, since, now, e->pid) / FULL_MW / (double)(now - since) + 0.5);
        pids[(*n)++] = (unsigned long long)shown(e->pid);
    }
    return faulty(card, "loads", now);
}
static int live_samples(int card, unsigned long long *stamps, unsigned *mw, unsigned *n) {
    Ns now = clock_of(CLOCK_MONOTONIC), last = now / SAMPLE_NS * SAMPLE_NS;
    for (*n = 0; *n < KEPT; (*n)++) {
        Ns until = last - (KEPT - 1 - *n) * SAMPLE_NS, from = until - SAMPLE_NS;
        stamps[*n] = (unsigned long long)(until + offset_ns()) / 1000;
        mw[*n] = (unsigned)((worked(card, from, until, 0) + rested(card, from, until)) / SAMPLE_NS);
    }
    return faulty(card, "samples", now);
}
