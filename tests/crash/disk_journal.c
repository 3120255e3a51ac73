/*
 * Preloaded into a server, this keeps a journal of what the server does to the files under one folder, in order, and
 * of when it asks that they be made durable. tests/support/power_cut.py rebuilds from it what a power cut could have left.
 *
 * A record is a header, then its payload. What changes a file, and the record of it, are one step under a lock. An
 * fsync does not reach the disk: it takes a fixed time instead, so that other threads go on while it is under way.
 * While the file DISK_FAILING is there, one step in DISK_FAIL_ONE_IN fails as on a bad disk, at random but seeded.
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
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* keep in step with Kind in tests/support/power_cut.py */
enum { CREATE = 'c', WRITE = 'w', TRUNCATE = 't', RENAME = 'r', LINK = 'l', UNLINK = 'u', MKDIR = 'm', RMDIR = 'd',
       SYNC_BEGIN = 's', SYNC_END = 'e', SYNC_FAILED = 'f', UNKNOWN = '?' };

struct header { uint32_t size; uint32_t kind; uint64_t inode; uint64_t number; };

static const char *root;
static size_t root_size;
static int journal = -1;
static const char *failing;
static uint64_t one_in, chance;
static useconds_t sync_takes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void fresh_lock(void) { pthread_mutex_init(&lock, NULL); }

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("DISK_JOURNAL"), *takes = getenv("DISK_SYNC_MICROSECONDS");
    root = getenv("DISK_ROOT");
    if (!path || !root) return;
    int opened = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (opened < 0) { perror("disk journal"); abort(); }
    journal = syscall(SYS_fcntl, opened, F_DUPFD_CLOEXEC, 900);  /* out of the way of the program's own */
    syscall(SYS_close, opened);
    if (journal < 0) { perror("disk journal"); abort(); }
    sync_takes = takes ? atoi(takes) : 0;
    failing = getenv("DISK_FAILING");
    one_in = failing ? atoi(getenv("DISK_FAIL_ONE_IN")) : 0;
    root_size = strlen(root);
    pthread_atfork(NULL, NULL, fresh_lock);  /* a child of a process with threads must not wait for one of them */
}

#define REAL(name) ({ static __typeof__(&name) real_; if (!real_) real_ = dlsym(RTLD_NEXT, #name); real_; })

static void record(uint32_t kind, uint64_t inode, uint64_t number, const void *payload, size_t size)
{
    struct header head = { size, kind, inode, number };
    struct iovec parts[2] = { { &head, sizeof head }, { (void *)payload, size } };
    if (syscall(SYS_writev, journal, parts, 2) != (ssize_t)(sizeof head + size)) { perror("disk journal"); abort(); }
}

/* Whether the path lies under the folder that is watched. The WAL index does not count: it is built anew. */
static int watched(const char *path)
{
    size_t size = strlen(path);
    if (journal < 0 || strncmp(path, root, root_size) || (path[root_size] && path[root_size] != '/')) return 0;
    return size < 4 || strcmp(path + size - 4, "-shm");
}

static int path_of(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return 1;
}

/* The absolute path that the system takes `path` for, in `whole`; 0 where it is not watched. */
static int absolute(int folder, const char *path, char *whole)
{
    if (journal < 0 || !path) return 0;
    int kept = errno;
    char base[PATH_MAX] = "";
    if (path[0] != '/') {
        if (folder == AT_FDCWD ? !getcwd(base, sizeof base) : !path_of(folder, base)) { errno = kept; return 0; }
        strncat(base, "/", sizeof base - strlen(base) - 1);
    }
    errno = kept;
    return snprintf(whole, PATH_MAX, "%s%s", base, path) < PATH_MAX && watched(whole);
}

/* The inode of a watched regular file or folder, 0 for anything else. */
static uint64_t inode_of(int fd)
{
    struct stat found;
    char path[PATH_MAX];
    if (journal < 0) return 0;
    int kept = errno, good = !fstat(fd, &found) && (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode));
    good = good && path_of(fd, path) && watched(path);
    errno = kept;
    return good ? found.st_ino : 0;
}

static uint64_t inode_at(const char *path)
{
    struct stat found;
    return lstat(path, &found) ? 0 : found.st_ino;
}

/* A way to change a file that is not followed: the reader of the journal refuses to go on. */
static void unknown(const char *what) { record(UNKNOWN, 0, 0, what, strlen(what)); }

/* Whether the step that comes now is one that fails; to be asked under the lock. */
static int fails(void)
{
    int kept = errno;
    if (!one_in || access(failing, F_OK)) { errno = kept; return 0; }
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    errno = (chance >> 33) % one_in ? kept : EIO;
    return !((chance >> 33) % one_in);
}

/* ---- names ---- */

static int opened(int folder, const char *path, int flags, mode_t mode)
{
    char whole[PATH_MAX];
    int (*real)(int, const char *, int, ...) = REAL(openat);
    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE || !absolute(folder, path, whole))
        return real(folder, path, flags, mode);
    pthread_mutex_lock(&lock);
    uint64_t before = inode_at(whole);
    int fd = !before && fails() ? -1 : real(folder, path, flags, mode);
    if (fd >= 0 && !before) record(CREATE, inode_at(whole), 0, whole, strlen(whole));
    else if (fd >= 0 && flags & O_TRUNC) record(TRUNCATE, before, 0, "", 0);
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_given(int flags, va_list rest)
{
    return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name)                                                                                                    \
    int name(const char *path, int flags, ...)                                                                        \
    {                                                                                                                 \
        va_list rest;                                                                                                 \
        va_start(rest, flags);                                                                                        \
        mode_t mode = mode_given(flags, rest);                                                                        \
        va_end(rest);                                                                                                 \
        return opened(AT_FDCWD, path, flags, mode);                                                                   \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                  \
    int name(int folder, const char *path, int flags, ...)                                                            \
    {                                                                                                                 \
        va_list rest;                                                                                                 \
        va_start(rest, flags);                                                                                        \
        mode_t mode = mode_given(flags, rest);                                                                        \
        va_end(rest);                                                                                                 \
        return opened(folder, path, flags, mode);                                                                     \
    }
OPENAT(openat)
OPENAT(openat64)

int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* Do `act`, which returns 0, and record it as one step. Two paths are joined by a zero byte. */
#define STEP(kind, folder, path, act)                                                                                 \
    char whole[PATH_MAX];                                                                                             \
    if (!absolute(folder, path, whole)) return act;                                                                   \
    pthread_mutex_lock(&lock);                                                                                        \
    uint64_t before = inode_at(whole);                                                                                \
    int done = fails() ? -1 : act;                                                                                    \
    if (!done) record(kind, before ? before : inode_at(whole), 0, whole, strlen(whole));                              \
    pthread_mutex_unlock(&lock);                                                                                      \
    return done

int mkdir(const char *path, mode_t mode) { STEP(MKDIR, AT_FDCWD, path, REAL(mkdir)(path, mode)); }
int mkdirat(int folder, const char *path, mode_t mode) { STEP(MKDIR, folder, path, REAL(mkdirat)(folder, path, mode)); }
int rmdir(const char *path) { STEP(RMDIR, AT_FDCWD, path, REAL(rmdir)(path)); }
int unlink(const char *path) { STEP(UNLINK, AT_FDCWD, path, REAL(unlink)(path)); }
int unlinkat(int folder, const char *path, int flags)
{
    STEP(flags & AT_REMOVEDIR ? RMDIR : UNLINK, folder, path, REAL(unlinkat)(folder, path, flags));
}

#define PAIR(kind, from_folder, from, to_folder, to, act)                                                             \
    char old[PATH_MAX], whole[2 * PATH_MAX];                                                                          \
    int old_watched = absolute(from_folder, from, old), new_watched = absolute(to_folder, to, whole);                 \
    if (!old_watched && !new_watched) return act;                                                                     \
    pthread_mutex_lock(&lock);                                                                                        \
    uint64_t inode = inode_at(old);                                                                                   \
    int done = fails() ? -1 : act;                                                                                    \
    if (!done && old_watched && new_watched) {                                                                        \
        size_t size = strlen(whole) + 1;                                                                              \
        strcpy(whole + size, old);                                                                                    \
        record(kind, inode, 0, whole, size + strlen(old));                                                            \
    } else if (!done)                                                                                                 \
        unknown("a file that is moved in or out");                                                                    \
    pthread_mutex_unlock(&lock);                                                                                      \
    return done

int rename(const char *from, const char *to) { PAIR(RENAME, AT_FDCWD, from, AT_FDCWD, to, REAL(rename)(from, to)); }
int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    PAIR(RENAME, from_folder, from, to_folder, to, REAL(renameat)(from_folder, from, to_folder, to));
}
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    PAIR(RENAME, from_folder, from, to_folder, to, REAL(renameat2)(from_folder, from, to_folder, to, flags));
}
int link(const char *from, const char *to) { PAIR(LINK, AT_FDCWD, from, AT_FDCWD, to, REAL(link)(from, to)); }
int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    PAIR(LINK, from_folder, from, to_folder, to, REAL(linkat)(from_folder, from, to_folder, to, flags));
}

/* ---- content ---- */

/* Record `size` bytes of `parts` as written at `offset`; an offset below zero is where the file now stands. */
static void wrote(uint64_t inode, int fd, const struct iovec *parts, size_t size, off64_t offset)
{
    char *all = malloc(size), *end = all;
    if (!all) abort();
    for (size_t left = size; left; parts++) {
        size_t some = parts->iov_len < left ? parts->iov_len : left;
        memcpy(end, parts->iov_base, some);
        end += some;
        left -= some;
    }
    if (offset < 0) offset = lseek64(fd, 0, SEEK_CUR) - (off64_t)size;
    record(WRITE, inode, offset, all, size);
    free(all);
}

#define CONTENT(act, parts, offset)                                                                                   \
    uint64_t inode = inode_of(fd);                                                                                    \
    if (!inode) return act;                                                                                           \
    pthread_mutex_lock(&lock);                                                                                        \
    ssize_t done = fails() ? -1 : act;                                                                                \
    if (done > 0) wrote(inode, fd, parts, done, offset);                                                              \
    pthread_mutex_unlock(&lock);                                                                                      \
    return done

#define ONE(bytes, size) (&(struct iovec){ (void *)(bytes), size })

ssize_t write(int fd, const void *bytes, size_t size) { CONTENT(REAL(write)(fd, bytes, size), ONE(bytes, size), -1); }
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    CONTENT(REAL(pwrite)(fd, bytes, size, at), ONE(bytes, size), at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    CONTENT(REAL(pwrite64)(fd, bytes, size, at), ONE(bytes, size), at);
}
ssize_t writev(int fd, const struct iovec *parts, int count) { CONTENT(REAL(writev)(fd, parts, count), parts, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    CONTENT(REAL(pwritev)(fd, parts, count, at), parts, at);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at)
{
    CONTENT(REAL(pwritev64)(fd, parts, count, at), parts, at);
}

#define CUT(act)                                                                                                      \
    uint64_t inode = inode_of(fd);                                                                                    \
    if (!inode) return act;                                                                                           \
    pthread_mutex_lock(&lock);                                                                                        \
    int done = fails() ? -1 : act;                                                                                    \
    if (!done) record(TRUNCATE, inode, size, "", 0);                                                                  \
    pthread_mutex_unlock(&lock);                                                                                      \
    return done

int ftruncate(int fd, off_t size) { CUT(REAL(ftruncate)(fd, size)); }
int ftruncate64(int fd, off64_t size) { CUT(REAL(ftruncate64)(fd, size)); }

#define UNFOLLOWED(fd, what)                                                                                          \
    if (inode_of(fd)) unknown(what)

ssize_t sendfile(int out, int in, off_t *at, size_t size)
{
    UNFOLLOWED(out, "sendfile");
    return REAL(sendfile)(out, in, at, size);
}
ssize_t sendfile64(int out, int in, off64_t *at, size_t size)
{
    UNFOLLOWED(out, "sendfile64");
    return REAL(sendfile64)(out, in, at, size);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags)
{
    UNFOLLOWED(out, "copy_file_range");
    return REAL(copy_file_range)(in, from, out, to, size, flags);
}
void *mmap(void *place, size_t size, int protection, int flags, int fd, off_t at)
{
    if (fd >= 0 && protection & PROT_WRITE && flags & MAP_SHARED) UNFOLLOWED(fd, "mmap");
    return REAL(mmap)(place, size, protection, flags, fd, at);
}
void *mmap64(void *place, size_t size, int protection, int flags, int fd, off64_t at)
{
    if (fd >= 0 && protection & PROT_WRITE && flags & MAP_SHARED) UNFOLLOWED(fd, "mmap64");
    return REAL(mmap64)(place, size, protection, flags, fd, at);
}

/* ---- durability ---- */

static int synced(uint64_t inode)
{
    static uint64_t last;
    uint64_t number = ((uint64_t)getpid() << 32) | __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&lock);
    record(SYNC_BEGIN, inode, number, "", 0);
    pthread_mutex_unlock(&lock);
    if (sync_takes) usleep(sync_takes);
    pthread_mutex_lock(&lock);
    int failed = fails();
    record(failed ? SYNC_FAILED : SYNC_END, inode, number, "", 0);
    pthread_mutex_unlock(&lock);
    return failed ? -1 : 0;
}

int fsync(int fd)
{
    uint64_t inode = inode_of(fd);
    return inode ? synced(inode) : REAL(fsync)(fd);
}
int fdatasync(int fd)
{
    uint64_t inode = inode_of(fd);
    return inode ? synced(inode) : REAL(fdatasync)(fd);
}
