// The client: makes CHECKS checks against 127.0.0.1:PORT over CONNECTIONS connections at a time, each one
// as HAProxy does it: connect, read to the end, close, and at once the next. Prints one JSON object.
// Usage: load PORT CHECKS CONNECTIONS
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CONNECTIONS = 1024, REPLY_SIZE = 1024, WORST_SECONDS = 600 };

static const uint64_t TIMEOUT_NS = 5000000000;

struct check {
    int socket;
    int length;
    uint64_t start;
    char reply[REPLY_SIZE];
};

static struct check checks[MOST_CONNECTIONS];
static struct sockaddr_in address = {.sin_family = AF_INET};
static int epoll;
static long wanted, started, done, failed;

/** The reply of the first check, which all others must give again. */
static char expected[REPLY_SIZE];
static int expected_length;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static void begin(struct check *check) {
    check->socket = -1;
    while (started < wanted) {
        started += 1;
        check->length = 0;
        check->start = now();
        check->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(check->socket, (struct sockaddr *)&address, sizeof address);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = check};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, check->socket, &event) == 0) return;
        close(check->socket);
        check->socket = -1;
        done += 1;
        failed += 1;
    }
}

static void end(struct check *check, int is_failed) {
    close(check->socket);
    done += 1;
    if (is_failed) failed += 1;
    else {
        if (!expected_length) memcpy(expected, check->reply, expected_length = check->length);
        if (check->length != expected_length || memcmp(check->reply, expected, expected_length)) failed += 1;
    }
    begin(check);
}

static void read_reply(struct check *check) {
    for (;;) {
        char *rest = check->reply + check->length;
        ssize_t length = recv(check->socket, rest, REPLY_SIZE - check->length, 0);
        if (length < 0 && errno == EAGAIN) return;
        if (length <= 0) return end(check, length < 0 || check->length == 0);
        check->length += length;
    }
}

static void give_up_on_old(int connections) {
    for (int i = 0; i < connections; i++) {
        if (checks[i].socket >= 0 && now() - checks[i].start > TIMEOUT_NS) end(&checks[i], 1);
    }
}

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
                  (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    address.sin_port = htons(atoi(arguments[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    wanted = atol(arguments[2]);
    int connections = atoi(arguments[3]);
    if (connections > MOST_CONNECTIONS) return 2;
    alarm(WORST_SECONDS);
    epoll = epoll_create1(0);
    struct epoll_event events[MOST_CONNECTIONS];
    uint64_t start = now();
    for (int i = 0; i < connections; i++) begin(&checks[i]);
    while (done < wanted) {
        int ready = epoll_wait(epoll, events, MOST_CONNECTIONS, 1000);
        for (int i = 0; i < ready; i++) read_reply(events[i].data.ptr);
        if (ready == 0) give_up_on_old(connections);
    }
    double seconds = (now() - start) / 1e9;
    printf("{\"failed\":%ld,\"seconds\":%f,\"cpuSeconds\":%f}\n", failed, seconds, cpu_seconds());
}
