/* sanitizer_close.c - shows the thread sanitizer what libuv closes.  Part of builds under that sanitizer alone.
 *
 * libuv closes descriptors with syscall(SYS_close), which the sanitizer does not follow: to it the number stays open,
 * and whoever is given the same number next seems to race with its former owner.  So in these builds the program brings
 * a syscall() of its own, which the loader finds before the C library's: it tells the sanitizer and makes the call. */
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What <sanitizer/linux_syscall_hooks.h> declares; gcc has the function without the header. */
void __sanitizer_syscall_pre_impl_close(long fd);

typedef long (*syscall_fn)(long number, ...);

/* Two threads may both look it up; they find the same. */
static syscall_fn real_syscall(void)
{
    static syscall_fn found;
    syscall_fn real = __atomic_load_n(&found, __ATOMIC_RELAXED);

    if (!real) {
        real = (syscall_fn)dlsym(RTLD_NEXT, "syscall");
        __atomic_store_n(&found, real, __ATOMIC_RELAXED);
    }
    return real;
}

__attribute__((visibility("default"))) long syscall(long number, ...)
{
    long arguments[6];
    va_list list;

    va_start(list, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_close)
        __sanitizer_syscall_pre_impl_close(arguments[0]);
    return real_syscall()(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}
