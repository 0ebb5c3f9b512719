/* Drives the AArch64 context switch: the functions of `probe.rs`, from both
 * sides of the switch, on stacks of its own.
 *
 * Exits with 0 and "all checks passed", or with 1 and the check that failed.
 * Given the argument "guarded", the switch's code is first put into guarded
 * pages, where an indirect branch may land on a `bti` only.
 */

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unwind.h>

typedef uintptr_t word;
typedef void entry_function(word arg, word *base);

/* What a resume gives: a word, and the new stack pointer. */
struct resumed {
    word word;
    void *sp;
};

extern void *probe_prepare(word *base, entry_function *entry);
extern struct resumed probe_resume(void *sp, word *base, word arg);
extern struct resumed probe_resume_at(void *coroutine);
extern word probe_suspend(word *base, word arg);
extern _Noreturn void probe_finish(word *base, word arg);
extern struct resumed probe_resume_holding(void *sp, word *base, word arg, uint64_t *words,
                                           double *floats);
extern word probe_suspend_holding(word *base, word arg, uint64_t *words, double *floats);
extern void probe_valgrind(char *limit, char *top);

/* The linker's names for the pages that hold the probe. */
extern char __start_gorge_text[], __stop_gorge_text[];

#define SWITCHES 1000000
#define COROUTINES 8
#define STACK_BYTES 65536

#define CHECK(condition)                                                        \
    do {                                                                        \
        if (!(condition)) {                                                     \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                            \
        }                                                                       \
    } while (0)

/* ---- callee-saved registers ------------------------------------------- */

/* x19 to x28, d8 to d15, and how far x29 is from sp after the call. */
struct registers {
    uint64_t x[10];
    uint64_t d[8];
    uint64_t frame;
};

/* Calls `function(context)` with `fill` in the callee-saved registers, and
 * stores what they hold when it returns. Its own caller's are kept, and
 * described to unwinders. The result is the function's, if it has one. */
extern struct resumed call_filled(void *function, void *context,
                                  const struct registers *fill, struct registers *found);
__asm__(
    ".text\n"
    ".global call_filled\n"
    ".type call_filled, %function\n"
    "call_filled:\n"
    "    .cfi_startproc\n"
    "    hint #34\n"
    "    stp x29, x30, [sp, #-176]!\n"
    "    .cfi_def_cfa_offset 176\n"
    "    .cfi_offset 29, -176\n"
    "    .cfi_offset 30, -168\n"
    "    stp x19, x20, [sp, #16]\n"
    "    .cfi_offset 19, -160\n"
    "    .cfi_offset 20, -152\n"
    "    stp x21, x22, [sp, #32]\n"
    "    .cfi_offset 21, -144\n"
    "    .cfi_offset 22, -136\n"
    "    stp x23, x24, [sp, #48]\n"
    "    .cfi_offset 23, -128\n"
    "    .cfi_offset 24, -120\n"
    "    stp x25, x26, [sp, #64]\n"
    "    .cfi_offset 25, -112\n"
    "    .cfi_offset 26, -104\n"
    "    stp x27, x28, [sp, #80]\n"
    "    .cfi_offset 27, -96\n"
    "    .cfi_offset 28, -88\n"
    "    stp d8, d9, [sp, #96]\n"
    "    stp d10, d11, [sp, #112]\n"
    "    stp d12, d13, [sp, #128]\n"
    "    stp d14, d15, [sp, #144]\n"
    "    str x3, [sp, #160]\n"
    "    mov x29, sp\n"
    "    ldp x19, x20, [x2]\n"
    "    ldp x21, x22, [x2, #16]\n"
    "    ldp x23, x24, [x2, #32]\n"
    "    ldp x25, x26, [x2, #48]\n"
    "    ldp x27, x28, [x2, #64]\n"
    "    ldp d8, d9, [x2, #80]\n"
    "    ldp d10, d11, [x2, #96]\n"
    "    ldp d12, d13, [x2, #112]\n"
    "    ldp d14, d15, [x2, #128]\n"
    "    mov x4, x0\n"
    "    mov x0, x1\n"
    "    blr x4\n"
    "    ldr x9, [sp, #160]\n"
    "    stp x19, x20, [x9]\n"
    "    stp x21, x22, [x9, #16]\n"
    "    stp x23, x24, [x9, #32]\n"
    "    stp x25, x26, [x9, #48]\n"
    "    stp x27, x28, [x9, #64]\n"
    "    stp d8, d9, [x9, #80]\n"
    "    stp d10, d11, [x9, #96]\n"
    "    stp d12, d13, [x9, #112]\n"
    "    stp d14, d15, [x9, #128]\n"
    "    mov x10, sp\n"
    "    sub x10, x29, x10\n"
    "    str x10, [x9, #144]\n"
    "    ldp x19, x20, [sp, #16]\n"
    "    ldp x21, x22, [sp, #32]\n"
    "    ldp x23, x24, [sp, #48]\n"
    "    ldp x25, x26, [sp, #64]\n"
    "    ldp x27, x28, [sp, #80]\n"
    "    ldp d8, d9, [sp, #96]\n"
    "    ldp d10, d11, [sp, #112]\n"
    "    ldp d12, d13, [sp, #128]\n"
    "    ldp d14, d15, [sp, #144]\n"
    "    ldp x29, x30, [sp], #176\n"
    "    .cfi_def_cfa_offset 0\n"
    "    ret\n"
    "    .cfi_endproc\n"
    ".size call_filled, .-call_filled\n");

/* A fresh pattern for each use, so that no register is right by accident. */
static void fill_registers(struct registers *fill, uint64_t *seed)
{
    for (int i = 0; i < 18; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        (i < 10 ? fill->x : fill->d - 10)[i] = *seed;
    }
    fill->frame = 0;
}

static void call_checked(void *function, void *context, uint64_t *seed)
{
    struct registers fill, found;
    fill_registers(&fill, seed);
    call_filled(function, context, &fill, &found);
    for (int i = 0; i < 10; i++)
        CHECK(found.x[i] == fill.x[i]);
    for (int i = 0; i < 8; i++)
        CHECK(found.d[i] == fill.d[i]);
    CHECK(found.frame == 0);
}

/* ---- coroutines --------------------------------------------------------- */

/* `probe.rs` knows it as `Suspended`. */
struct coroutine {
    void *sp;
    word *base;
    word word;
};

static void create(struct coroutine *coroutine, entry_function *entry)
{
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(stack != MAP_FAILED);
    coroutine->base = (word *)(stack + STACK_BYTES - 64);
    coroutine->sp = probe_prepare(coroutine->base, entry);
}

/* `context` is a coroutine; its word goes in and the other side's comes out. */
static __attribute__((noinline)) void do_resume(void *context)
{
    struct coroutine *coroutine = context;
    struct resumed resumed = probe_resume(coroutine->sp, coroutine->base, coroutine->word);
    coroutine->word = resumed.word;
    coroutine->sp = resumed.sp;
}

static void do_suspend(void *context)
{
    struct coroutine *coroutine = context;
    coroutine->word = probe_suspend(coroutine->base, coroutine->word);
}

/* Answers every word with its complement; ends when it gets 0. */
static void complement(word arg, word *base)
{
    struct coroutine self = {NULL, base, arg};
    uint64_t seed = (uint64_t)base;
    while (self.word != 0) {
        self.word = ~self.word;
        call_checked(do_suspend, &self, &seed);
    }
    probe_finish(base, 4711);
}

static void check_many_switches(void)
{
    struct coroutine coroutines[COROUTINES];
    uint64_t seed = 1;
    for (int i = 0; i < COROUTINES; i++)
        create(&coroutines[i], complement);
    for (word n = 1; n <= SWITCHES; n++) {
        struct coroutine *coroutine = &coroutines[n % COROUTINES];
        coroutine->word = n;
        call_checked(do_resume, coroutine, &seed);
        CHECK(coroutine->word == ~n);
        CHECK(coroutine->sp != NULL);
    }
    for (int i = 0; i < COROUTINES; i++) {
        coroutines[i].word = 0;
        call_checked(do_resume, &coroutines[i], &seed);
        CHECK(coroutines[i].word == 4711);
        CHECK(coroutines[i].sp == NULL);
    }
}

/* ---- values that the compiler holds across a switch --------------------- */

struct held {
    uint64_t words[32];
    double floats[32];
};

static void fill_held(struct held *held, word seed)
{
    for (int i = 0; i < 32; i++) {
        held->words[i] = seed * 1000 + i;
        held->floats[i] = (double)seed * 0.5 + i;
    }
}

static void hold(word arg, word *base)
{
    for (word n = 0; arg != 0; n++) {
        struct held held, expected;
        fill_held(&held, n + 77);
        fill_held(&expected, n + 77);
        arg = probe_suspend_holding(base, arg + 1, held.words, held.floats);
        CHECK(memcmp(&held, &expected, sizeof held) == 0);
    }
    probe_finish(base, 1);
}

static void check_held_values(void)
{
    struct coroutine coroutine;
    create(&coroutine, hold);
    for (word n = 1000; n > 0; n--) {
        struct held held, expected;
        fill_held(&held, n);
        fill_held(&expected, n);
        struct resumed resumed = probe_resume_holding(coroutine.sp, coroutine.base, n,
                                                      held.words, held.floats);
        coroutine.sp = resumed.sp;
        CHECK(resumed.word == n + 1);
        CHECK(memcmp(&held, &expected, sizeof held) == 0);
    }
    struct resumed resumed = probe_resume(coroutine.sp, coroutine.base, 0);
    CHECK(resumed.word == 1 && resumed.sp == NULL);
}

/* ---- backtraces ---------------------------------------------------------- */

/* The functions of a stack's frames, innermost first, and their x19. */
struct trace {
    void *functions[64];
    uint64_t x19[64];
    int count;
};

static struct trace trace;

static _Unwind_Reason_Code collect(struct _Unwind_Context *context, void *argument)
{
    struct trace *into = argument;
    int exact = 0;
    uintptr_t address = _Unwind_GetIPInfo(context, &exact);
    CHECK(into->count < 64);
    into->functions[into->count] = _Unwind_FindEnclosingFunction((void *)(address - !exact));
    into->x19[into->count] = _Unwind_GetGR(context, 19);
    into->count++;
    return _URC_NO_REASON;
}

static __attribute__((noinline)) void deepest(void *context)
{
    (void)context;
    trace.count = 0;
    _Unwind_Backtrace(collect, &trace);
    __asm__ volatile("");
}

/* The trace is taken below `call_filled`, with rubbish in x19: the unwinder
 * must find the base's address where that function saved it. */
static void inner(word arg, word *base)
{
    (void)arg;
    uint64_t seed = 7;
    call_checked(deepest, NULL, &seed);
    probe_suspend(base, 1);
    call_checked(deepest, NULL, &seed);
    probe_finish(base, 2);
}

static void outer(word arg, word *base)
{
    (void)arg;
    struct coroutine coroutine;
    create(&coroutine, inner);
    do_resume(&coroutine);
    probe_suspend(base, 3);
    do_resume(&coroutine);
    probe_finish(base, 4);
}

/* Resumes from below `call_filled`. `probe_resume_at` does not use x19, so the
 * unwinder must find that frame's x19 where the switch saved it. */
static __attribute__((noinline)) word resume_from(struct coroutine *coroutine, uint64_t x19)
{
    struct registers fill = {.x = {x19}}, found;
    struct resumed resumed = call_filled(probe_resume_at, coroutine, &fill, &found);
    coroutine->sp = resumed.sp;
    return resumed.word;
}

uintptr_t probe_stack_pointer(void);

/* The stack pointer lies just below the address of a local. */
static void check_stack_pointer(void) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t pointer = probe_stack_pointer();
    if (pointer % 16 != 0 || pointer > here || here - pointer > 4096) {
        fprintf(stderr, "the stack pointer is wrong\n");
        exit(1);
    }
}

int main(int argc, char **argv);

/* The trace must hold these functions in this order; others may be between. */
static void check_trace(uint64_t x19)
{
    check_stack_pointer();
    void *const expected[] = {deepest, call_filled, inner, probe_resume,
                              do_resume, outer, probe_resume_at, call_filled, resume_from, main};
    int const count = sizeof expected / sizeof *expected;
    int found[sizeof expected / sizeof *expected];
    int next = 0;
    for (int i = 0; i < trace.count && next < count; i++)
        if (trace.functions[i] == expected[next])
            found[next++] = i;
    if (next < count)
        fprintf(stderr, "function %d is missing in a trace of %d frames\n", next, trace.count);
    CHECK(next == count);
    CHECK(trace.x19[found[7]] == x19);
}

static void check_backtrace(void)
{
    struct coroutine coroutine;
    create(&coroutine, outer);
    CHECK(resume_from(&coroutine, 0x1919) == 3);
    check_trace(0x1919);
    /* Again, after the coroutine was suspended and its resumer has moved. */
    char *volatile moved = __builtin_alloca(512);
    moved[0] = 0;
    trace.count = 0;
    CHECK(resume_from(&coroutine, 0x9191) == 4);
    check_trace(0x9191);
}

/* ---- everything ----------------------------------------------------------- */

static void guard_pages(void)
{
    size_t bytes = __stop_gorge_text - __start_gorge_text;
    int protection = PROT_READ | PROT_EXEC | 0x10 /* PROT_BTI */;
    CHECK((uintptr_t)__start_gorge_text % 4096 == 0 && bytes > 0 && bytes % 4096 == 0);
    CHECK(mprotect(__start_gorge_text, bytes, protection) == 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "guarded") == 0)
        guard_pages();
    check_many_switches();
    check_held_values();
    check_backtrace();
    /* Without valgrind, its requests do nothing. */
    char stack[64];
    probe_valgrind(stack, stack + sizeof stack);
    puts("all checks passed");
    return 0;
}
