/* Stops the process after each step by which anything comes onto a disk or goes from it, once it is armed.

   Loaded before the C library (LD_PRELOAD), so that it sees what Python, DuckDB and Arrow write alike. A long write is
   stopped in its middle, too. Whoever started the process looks at the disk meanwhile, and lets it go on. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int armed = 0;
enum { LONG = 4096 };

void arm(int on) { armed = on; }

static void step(void) {
    if (armed) kill(getpid(), SIGSTOP);
}

static int is_file(int fd) {
    struct stat found;
    return armed && fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
}

#define ORIGINAL(name) \
    static __typeof__(&name) original; \
    if (!original) original = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size) {
    ORIGINAL(write);
    if (!is_file(fd)) return original(fd, data, size);
    ssize_t done = 0;
    if (size > LONG) {
        done = original(fd, data, size / 2);
        if (done < 0) return done;
        step();
    }
    ssize_t rest = original(fd, (const char *)data + done, size - done);
    if (rest < 0) return done ? done : rest;
    step();
    return done + rest;
}

#define PWRITE(name, offset_type) \
    ssize_t name(int fd, const void *data, size_t size, offset_type offset) { \
        ORIGINAL(name); \
        if (!is_file(fd)) return original(fd, data, size, offset); \
        ssize_t done = 0; \
        if (size > LONG) { \
            done = original(fd, data, size / 2, offset); \
            if (done < 0) return done; \
            step(); \
        } \
        ssize_t rest = original(fd, (const char *)data + done, size - done, offset + done); \
        if (rest < 0) return done ? done : rest; \
        step(); \
        return done + rest; \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define STEPPED(name, parameters, arguments) \
    int name parameters { \
        ORIGINAL(name); \
        int result = original arguments; \
        step(); \
        return result; \
    }
STEPPED(fsync, (int fd), (fd))
STEPPED(fdatasync, (int fd), (fd))
STEPPED(ftruncate, (int fd, off_t size), (fd, size))
STEPPED(ftruncate64, (int fd, off64_t size), (fd, size))
STEPPED(fallocate, (int fd, int mode, off_t offset, off_t size), (fd, mode, offset, size))
STEPPED(fallocate64, (int fd, int mode, off64_t offset, off64_t size), (fd, mode, offset, size))
STEPPED(rename, (const char *from, const char *to), (from, to))
STEPPED(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
STEPPED(unlink, (const char *path), (path))
STEPPED(unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
STEPPED(rmdir, (const char *path), (path))
STEPPED(mkdir, (const char *path, mode_t mode), (path, mode))

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    ORIGINAL(writev);
    ssize_t done = original(fd, pieces, count);
    if (is_file(fd)) step();
    return done;
}

#define OPENED(name, parameters, arguments) \
    int name parameters { \
        ORIGINAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        int fd = original arguments; \
        if (fd >= 0 && flags & (O_CREAT | O_TRUNC)) step(); \
        return fd; \
    }
OPENED(open, (const char *path, int flags, ...), (path, flags, mode))
OPENED(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENED(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPENED(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
