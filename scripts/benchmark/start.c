// The launcher: starts COMMAND and measures how long it takes until 127.0.0.1:PORT has given a whole reply.
// Prints one JSON object with its process id and the milliseconds, keeps it running until its own standard
// input ends, and then kills it. With PORT 0 it waits for no reply.
// Usage: start PORT TIMEOUT_MS COMMAND...
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char ENDED[] = "it ended";

static double now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

/** Makes one check; true when a whole line came. It never waits for longer than `timeout` milliseconds. */
static int is_answered(int port, double timeout) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), is_whole = 0;
    struct timeval wait = {.tv_sec = timeout / 1e3, .tv_usec = 1 + (long)(timeout * 1e3) % 1000000};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    if (connect(client, (struct sockaddr *)&address, sizeof address) == 0) {
        char reply[1024];
        ssize_t length;
        while (!is_whole && (length = recv(client, reply, sizeof reply, 0)) > 0)
            is_whole = memchr(reply, '\n', length) != NULL;
    }
    close(client);
    return is_whole;
}

static pid_t launch(char **command) {
    pid_t parent = getpid(), pid = fork();
    // A pid of -1 would later be all processes.
    if (pid < 0) _exit(1);
    if (pid) return pid;
    // Whatever becomes of the launcher, what it launched is gone with it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout)) _exit(127);
    if (!getenv("BENCHMARK_LOG") && !freopen("/dev/null", "w", stderr)) _exit(127);
    execvp(command[0], command);
    _exit(127);
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    int port = atoi(arguments[1]);
    double start = now_ms(), timeout = atof(arguments[2]), passed = 0;
    pid_t pid = launch(arguments + 3);
    const char *error = NULL;
    while (port && !error && !is_answered(port, timeout - passed)) {
        struct timespec pause = {.tv_nsec = 100000};
        nanosleep(&pause, NULL);
        passed = now_ms() - start;
        if (waitpid(pid, NULL, WNOHANG) == pid) error = ENDED;
        else if (passed > timeout) error = "no reply in time";
    }
    if (error) printf("{\"pid\":%d,\"error\":\"%s\"}\n", pid, error);
    else printf("{\"pid\":%d,\"milliseconds\":%.3f}\n", pid, now_ms() - start);
    fflush(stdout);
    char rest;
    while (!error && read(STDIN_FILENO, &rest, 1) > 0) {
    }
    if (error != ENDED) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}
