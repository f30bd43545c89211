/* Faults in the file operations of a program, by LD_PRELOAD.
 *
 * Counts the operations on files below FAULT_ROOT, and at number FAULT_AT does what FAULT_MODE says:
 *   ENOSPC, EIO, EINTR  the operation fails so; with FAULT_EVERY set, so does each one after it (every other one for EINTR,
 *                       which programs answer by trying again, for ever if it never ends)
 *   kill                the process is killed before the operation
 *   torn                half of a write is done, then the process is killed; other operations: killed before it
 *   powercut            what was written and not fsynced is lost, then the process is killed
 * With FAULT_SHORT set each write does half of what it is asked for, as the system may.
 * FAULT_COUNT names a file that a line "number operation path" is appended to for each operation, and FAULT_DONE one for a
 * line when a fault has happened ("fault operation path") and when a write was made short ("short write path").
 *
 * The calls are those that Rust's standard library makes. What is made durable by fsync of a directory is not modelled: a
 * rename that was done stays done after a powercut.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum fate { PASS, FAIL, TORN };

#define PATH_SIZE 1024
#define FILES 4096

/* Files with bytes that are not fsynced, and how long they were when they last were. */
static struct { dev_t device; ino_t inode; off_t synced; char path[PATH_SIZE]; } unsynced[FILES];
static int unsynced_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count;
static int said_fault, said_short;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int is_ours(const char *path) {
    const char *root = getenv("FAULT_ROOT");
    return root && path && strncmp(path, root, strlen(root)) == 0;
}

static const char *path_of(int fd, char *buffer) {
    char link[64];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, buffer, PATH_SIZE - 1);
    errno = saved;
    if (length < 0) return NULL;
    buffer[length] = 0;
    return buffer;
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void lose_unsynced(void) {
    for (int i = 0; i < unsynced_count; i++) {
        struct stat now;
        /* The inode of a file that was removed may be another's by now. */
        if (stat(unsynced[i].path, &now) == 0 && now.st_dev == unsynced[i].device && now.st_ino == unsynced[i].inode)
            syscall(SYS_truncate, unsynced[i].path, unsynced[i].synced);
    }
}

static void append(const char *log, const char *line, int length) {
    int saved = errno;
    int fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (fd >= 0) {
        syscall(SYS_write, fd, line, length);
        syscall(SYS_close, fd);
    }
    errno = saved;
}

/* Tells the harness, once, that something was really done. */
static void tell(int *said, const char *what, const char *operation, const char *path) {
    const char *log = getenv("FAULT_DONE");
    if (!log || __atomic_exchange_n(said, 1, __ATOMIC_SEQ_CST)) return;
    char line[PATH_SIZE + 64];
    append(log, line, snprintf(line, sizeof line, "%s %s %s\n", what, operation, path));
}

/* Decides what becomes of an operation, and counts it. */
static enum fate fate(const char *operation, const char *path) {
    if (!is_ours(path)) return PASS;
    long number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    const char *log = getenv("FAULT_COUNT"), *mode = getenv("FAULT_MODE"), *at = getenv("FAULT_AT");
    if (log) {
        char line[PATH_SIZE + 64];
        append(log, line, snprintf(line, sizeof line, "%ld %s %s\n", number, operation, path));
    }
    if (!mode || !at) return PASS;
    long since = number - atol(at);
    int interrupts = strcmp(mode, "EINTR") == 0;
    if (since != 0 && !(getenv("FAULT_EVERY") && since > 0 && !(interrupts && since % 2))) return PASS;
    tell(&said_fault, "fault", operation, path);
    if (strcmp(mode, "kill") == 0) die();
    if (strcmp(mode, "torn") == 0) return TORN;
    if (strcmp(mode, "powercut") == 0) {
        pthread_mutex_lock(&lock);
        lose_unsynced();
        die();
    }
    errno = strcmp(mode, "ENOSPC") == 0 ? ENOSPC : interrupts ? EINTR : EIO;
    return FAIL;
}

static enum fate plain(const char *operation, const char *path) {
    enum fate decided = fate(operation, path);
    if (decided == TORN) die();
    return decided;
}

static void note_write(int fd, const char *path) {
    struct stat now;
    if (fstat(fd, &now) != 0) return;
    pthread_mutex_lock(&lock);
    int i = 0;
    while (i < unsynced_count && !(unsynced[i].device == now.st_dev && unsynced[i].inode == now.st_ino)) i++;
    if (i == FILES) {
        fprintf(stderr, "panicked: the library of faults has no room for more than %d files\n", FILES);
        abort();
    }
    if (i == unsynced_count) {
        unsynced_count++;
        unsynced[i].device = now.st_dev;
        unsynced[i].inode = now.st_ino;
        unsynced[i].synced = now.st_size;
        snprintf(unsynced[i].path, PATH_SIZE, "%s", path);
    }
    pthread_mutex_unlock(&lock);
}

static void note_synced(int fd) {
    struct stat now;
    if (fstat(fd, &now) != 0) return;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < unsynced_count; i++)
        if (unsynced[i].device == now.st_dev && unsynced[i].inode == now.st_ino) unsynced[i--] = unsynced[--unsynced_count];
    pthread_mutex_unlock(&lock);
}

static void note_renamed(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < unsynced_count; i++)
        if (strcmp(unsynced[i].path, from) == 0) snprintf(unsynced[i].path, PATH_SIZE, "%s", to);
    pthread_mutex_unlock(&lock);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
    char buffer[PATH_SIZE];
    const char *path = fd > 2 ? path_of(fd, buffer) : NULL;
    if (!is_ours(path)) return real(fd, bytes, length);
    enum fate decided = fate("write", path);
    if (decided == FAIL) return -1;
    note_write(fd, path);
    if (decided == TORN) {
        real(fd, bytes, length / 2);
        die();
    }
    if (!getenv("FAULT_SHORT") || length < 2) return real(fd, bytes, length);
    tell(&said_short, "short", "write", path);
    return real(fd, bytes, length / 2);
}

ssize_t writev(int fd, const struct iovec *parts, int number) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    char buffer[PATH_SIZE];
    const char *path = fd > 2 ? path_of(fd, buffer) : NULL;
    if (!is_ours(path)) return real(fd, parts, number);
    if (plain("write", path) == FAIL) return -1;
    note_write(fd, path);
    return real(fd, parts, number);
}

#define SYNC(name) \
    int name(int fd) { \
        REAL(int, #name, int); \
        char buffer[PATH_SIZE]; \
        if (plain("fsync", path_of(fd, buffer)) == FAIL) return -1; \
        int done = real(fd); \
        if (done == 0) note_synced(fd); \
        return done; \
    }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(name, type) \
    int name(int fd, type length) { \
        REAL(int, #name, int, type); \
        char buffer[PATH_SIZE]; \
        const char *path = path_of(fd, buffer); \
        if (plain("truncate", path) == FAIL) return -1; \
        return real(fd, length); \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    if (plain("rename", to) == FAIL) return -1;
    int done = real(from, to);
    if (done == 0) note_renamed(from, to);
    return done;
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    return plain("unlink", path) == FAIL ? -1 : real(path);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    return plain("mkdir", path) == FAIL ? -1 : real(path, mode);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, #name, const char *, int, ...); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        if (plain(flags & O_CREAT ? "create" : "open", path) == FAIL) return -1; \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

ssize_t read(int fd, void *bytes, size_t length) {
    REAL(ssize_t, "read", int, void *, size_t);
    char buffer[PATH_SIZE];
    if (fd > 2 && plain("read", path_of(fd, buffer)) == FAIL) return -1;
    return real(fd, bytes, length);
}
