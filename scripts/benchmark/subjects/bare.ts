// The floor for everything else: the least that this runtime needs to answer a check.
Bun.listen({
  hostname: process.env["HAPGENT_IP"] ?? "0.0.0.0",
  port: Number(process.env["HAPGENT_PORT"]),
  socket: {
    open(client) {
      client.end("UP 75%\n");
    },
    data() {},
  },
});
