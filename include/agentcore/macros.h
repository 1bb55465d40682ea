/* macros.h - what every public header needs: symbol visibility and the compiler's help. */
#ifndef AGENTCORE_MACROS_H
#define AGENTCORE_MACROS_H

#if defined(__GNUC__) || defined(__clang__)
#define AC_API_VISIBLE __attribute__((visibility("default")))
#define AC_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define AC_MUST_USE __attribute__((warn_unused_result))
#define AC_NONNULL(...) __attribute__((nonnull(__VA_ARGS__)))
#else
#define AC_API_VISIBLE
#define AC_PRINTF(format_at, first_at)
#define AC_MUST_USE
#define AC_NONNULL(...)
#endif

/* A symbol of the public interface. */
#define AC_API AC_API_VISIBLE

#endif
