/*
 * A disk that can lose power and that can fail, for the tests in this directory. Loaded into a process by LD_PRELOAD, it
 * records every change below one directory in a journal, in the order in which the changes happen, and lets chosen calls
 * fail. `journal.rs` reads the journal, and `replay.rs` decides what a power failure leaves of it.
 *
 * RECORDER_ROOT     the directory whose files are recorded
 * RECORDER_SAID     a file outside of it whose writes are recorded as well: what the process has said
 * RECORDER_JOURNAL  where the records go
 * RECORDER_FAIL     lets calls fail: `write:5:28` fails the fifth write with error number 28, `sync:2-:5` every fsync from
 *                   the second on with error number 5, and `short:3:28` writes half of the third write before that
 *
 * fsync does nothing here but be recorded: the process is only ever killed, and what the system has been given outlives that.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static char root[PATH_MAX], said[PATH_MAX];
/* The number of the file that a descriptor has open, and 0 for one that is not recorded. -1 is what the process says. */
static int64_t open_file[FILES];
static char is_append[FILES];
static char fail_what[16];
static long fail_from, fail_to, fail_error, fail_count;

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_unlink)(const char *);
static int (*real_mkdir)(const char *, mode_t);

static void begin(void) {
    static int begun;
    if (begun) return;
    begun = 1;
    real_open = dlsym(RTLD_NEXT, "open");
    real_openat = dlsym(RTLD_NEXT, "openat");
    real_close = dlsym(RTLD_NEXT, "close");
    real_write = dlsym(RTLD_NEXT, "write");
    real_writev = dlsym(RTLD_NEXT, "writev");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_rename = dlsym(RTLD_NEXT, "rename");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_mkdir = dlsym(RTLD_NEXT, "mkdir");
    const char *value = getenv("RECORDER_ROOT");
    if (!value) return;
    snprintf(root, sizeof root, "%s", value);
    snprintf(said, sizeof said, "%s", getenv("RECORDER_SAID"));
    if ((value = getenv("RECORDER_FAIL"))) {
        char range[32];
        if (sscanf(value, "%15[^:]:%31[^:]:%ld", fail_what, range, &fail_error) == 3) {
            fail_from = fail_to = atol(range);
            if (strchr(range, '-')) fail_to = LONG_MAX;
        }
    }
    journal = real_open(getenv("RECORDER_JOURNAL"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void __attribute__((constructor)) at_load(void) { begin(); }

static int is_below(const char *path) {
    size_t n = strlen(root);
    return n && !strncmp(path, root, n) && (path[n] == '/' || !path[n]);
}

/* One record: a letter, three numbers, then the bytes. Called with the lock held. */
static void record(char what, int64_t file, int64_t at, const void *bytes, size_t length) {
    struct __attribute__((packed)) { char what; int64_t file, at, length; } head = {what, file, at, (int64_t)length};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)bytes, length}};
    if (journal >= 0 && real_writev(journal, parts, 2) < 0) abort();
}

/* True if this call is to fail. Called with the lock held. */
static int fails(const char *what) {
    if (strcmp(fail_what, what)) return 0;
    fail_count++;
    return fail_count >= fail_from && fail_count <= fail_to;
}

static int64_t number_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : (int64_t)found.st_ino;
}

static int64_t recorded(int fd) { return fd >= 0 && fd < FILES ? open_file[fd] : 0; }

static int opened(int fd, const char *path, int flags, int is_new) {
    if (fd < 0 || fd >= FILES) return fd;
    open_file[fd] = 0;
    is_append[fd] = (flags & O_APPEND) != 0;
    if (*said && !strcmp(path, said)) {
        open_file[fd] = -1;
    } else if (is_below(path)) {
        open_file[fd] = number_of(fd);
        if (is_new) record('c', open_file[fd], 0, path, strlen(path));
        else if (flags & O_TRUNC) record('t', open_file[fd], 0, "", 0);
    }
    return fd;
}

static int open_any(int directory, const char *path, int flags, mode_t mode) {
    begin();
    pthread_mutex_lock(&lock);
    struct stat found;
    int is_new = (flags & O_CREAT) && is_below(path) && stat(path, &found);
    int fd;
    if (is_new && fails("create")) {
        record('x', 0, 0, "", 0);
        errno = (int)fail_error;
        fd = -1;
    } else {
        fd = real_openat(directory, path, flags, mode);
        int error = errno;
        opened(fd, path, flags, is_new);
        errno = error;
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE(flags)                                   \
    mode_t mode = 0;                                  \
    if ((flags) & (O_CREAT | O_TMPFILE)) {            \
        va_list list;                                 \
        va_start(list, flags);                        \
        mode = va_arg(list, mode_t);                  \
        va_end(list);                                 \
    }

int open(const char *path, int flags, ...) { MODE(flags) return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_any(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int directory, const char *path, int flags, ...) { MODE(flags) return open_any(directory, path, flags, mode); }
int openat64(int directory, const char *path, int flags, ...) { MODE(flags) return open_any(directory, path, flags | O_LARGEFILE, mode); }

int close(int fd) {
    begin();
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FILES) open_file[fd] = 0;
    pthread_mutex_unlock(&lock);
    return real_close(fd);
}

/* A write at a place, or where the descriptor stands if `at` is negative. */
static ssize_t write_any(int fd, const void *bytes, size_t length, off_t at) {
    begin();
    int64_t file = recorded(fd);
    if (!file) return at < 0 ? real_write(fd, bytes, length) : real_pwrite(fd, bytes, length, at);
    pthread_mutex_lock(&lock);
    ssize_t written;
    if (file < 0) {
        written = real_write(fd, bytes, length);
        record('!', 0, 0, bytes, length);
        pthread_mutex_unlock(&lock);
        return written;
    }
    int moves = at < 0;
    if (moves) {
        struct stat found;
        at = is_append[fd] && !fstat(fd, &found) ? found.st_size : lseek(fd, 0, SEEK_CUR);
    }
    size_t let = length;
    int failed = fails("write");
    if (failed) let = 0;
    if (fails("short")) {
        failed = 1;
        let = length / 2;
    }
    written = 0;
    if (let) {
        written = is_append[fd] ? real_write(fd, bytes, let) : real_pwrite(fd, bytes, let, at);
        if (written > 0) {
            record('w', file, at, bytes, (size_t)written);
            if (moves && !is_append[fd]) lseek(fd, at + written, SEEK_SET);
        }
    }
    if (failed) {
        record('x', file, 0, "", 0);
        /* the rest of a short write fails when it is tried again */
        if (!written) {
            errno = (int)fail_error;
            written = -1;
        } else {
            fail_from = fail_count + 1;
            fail_to = fail_to == LONG_MAX ? LONG_MAX : fail_from;
            strcpy(fail_what, "write");
        }
    }
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t write(int fd, const void *bytes, size_t length) { return write_any(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return write_any(fd, bytes, length, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return write_any(fd, bytes, length, at); }

/* Nothing here may change a recorded file without being recorded. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
    begin();
    if (recorded(fd)) abort();
    return real_writev(fd, parts, count);
}

static int truncate_any(int fd, off_t length) {
    begin();
    pthread_mutex_lock(&lock);
    int64_t file = recorded(fd);
    int result = real_ftruncate(fd, length);
    if (file && !result) record('t', file, length, "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t length) { return truncate_any(fd, length); }
int ftruncate64(int fd, off_t length) { return truncate_any(fd, length); }

static int sync_any(int fd, int (*real)(int)) {
    int64_t file = recorded(fd);
    if (!file) return real(fd);
    pthread_mutex_lock(&lock);
    int failed = fails("sync");
    record(failed ? 'f' : 's', file, 0, "", 0);
    pthread_mutex_unlock(&lock);
    if (!failed) return 0;
    errno = (int)fail_error;
    return -1;
}

int fsync(int fd) { begin(); return sync_any(fd, real_fsync); }
int fdatasync(int fd) { begin(); return sync_any(fd, real_fdatasync); }

int rename(const char *from, const char *to) {
    begin();
    pthread_mutex_lock(&lock);
    int result;
    if (is_below(to) && fails("rename")) {
        record('x', 0, 0, "", 0);
        errno = (int)fail_error;
        result = -1;
    } else {
        result = real_rename(from, to);
        if (!result && is_below(to)) {
            char both[2 * PATH_MAX];
            int length = snprintf(both, sizeof both, "%s%c%s", from, 0, to);
            record('r', 0, 0, both, (size_t)length);
        }
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) {
    begin();
    pthread_mutex_lock(&lock);
    int result;
    if (is_below(path) && fails("unlink")) {
        record('x', 0, 0, "", 0);
        errno = (int)fail_error;
        result = -1;
    } else {
        result = real_unlink(path);
        if (!result && is_below(path)) record('u', 0, 0, path, strlen(path));
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int mkdir(const char *path, mode_t mode) {
    begin();
    pthread_mutex_lock(&lock);
    int result = real_mkdir(path, mode);
    if (!result && is_below(path)) {
        int fd = real_open(path, O_RDONLY | O_DIRECTORY);
        record('d', number_of(fd), 0, path, strlen(path));
        real_close(fd);
    }
    pthread_mutex_unlock(&lock);
    return result;
}
