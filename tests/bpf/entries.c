/* Makes a few calls through the 32-bit entry of a 64-bit kernel, after installing the filter named on the command
 * line (none: "-").  Prints one line a call: its name and what the kernel returned.  Knows no filter's meaning. */

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int entry32(int number, unsigned a, unsigned b, unsigned c)
{
    int result;

    __asm__ volatile("int $0x80" : "=a"(result) : "0"(number), "b"(a), "c"(b), "d"(c)
                     : "memory", "r8", "r9", "r10", "r11");
    return result;
}

static int install(const char *path)
{
    static struct sock_filter filter[4096];
    struct sock_fprog program = { 0, filter };
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, filter, sizeof(filter));

    if (size <= 0 || close(file))
        return -1;
    program.len = size / sizeof(filter[0]);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -1;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int main(int argc, char **argv)
{
    unsigned *arguments;

    /* The pointers of 32-bit calls reach the lowest 4 GiB only. */
    arguments = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (argc != 2 || arguments == MAP_FAILED)
        return 2;
    if (strcmp(argv[1], "-") && install(argv[1]))
        return 3;
    printf("getpid %d\n", entry32(20, 0, 0, 0) > 0 ? 0 : entry32(20, 0, 0, 0));
    arguments[0] = 1, arguments[1] = 2, arguments[2] = 0;
    printf("socketcall(AF_UNIX,SOCK_DGRAM) %d\n", entry32(102, 1, (unsigned)(unsigned long)arguments, 0));
    arguments[0] = 2, arguments[1] = 1, arguments[2] = 0;
    printf("socketcall(AF_INET,SOCK_STREAM) %d\n", entry32(102, 1, (unsigned)(unsigned long)arguments, 0));
    printf("socket(AF_UNIX,SOCK_DGRAM) %d\n", entry32(359, 1, 2, 0));
    printf("ioctl(TIOCSTI) %d\n", entry32(54, -1, 0x5412, 0));
    printf("ptrace(TRACEME) %d\n", entry32(26, 0, 0, 0));
    return 0;
}
