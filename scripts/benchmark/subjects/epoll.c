// The limit: the least that a program can do to answer a check as the agent does, so that no client loses
// the reply: it writes that, half-closes, and discards what arrives until the client closes.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 512 };

static const char REPLY[] = "UP 75%\n";

static void answer_new_clients(int epoll, int server) {
    int client;
    while ((client = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (send(client, REPLY, sizeof REPLY - 1, MSG_NOSIGNAL) < 0) {
            close(client);
            continue;
        }
        shutdown(client, SHUT_WR);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = client};
        epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
    }
}

static void discard(int client) {
    static char buffer[65536];
    // Readable means data, the end, or an error: it never has to wait.
    if (recv(client, buffer, sizeof buffer, 0) <= 0) close(client);
}

int main(void) {
    const char *ip = getenv("HAPGENT_IP"), *port = getenv("HAPGENT_PORT");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port ? port : "9777"))};
    inet_pton(AF_INET, ip ? ip : "0.0.0.0", &address.sin_addr);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, BACKLOG)) {
        perror("epoll: cannot listen");
        return 1;
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = server}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == server) answer_new_clients(epoll, server);
            else discard(events[i].data.fd);
        }
    }
}
