/** What a check sends, and when. */
export interface Question {
  hostname?: string;
  payload?: string | Uint8Array;
  /** Called when it is connected, and has sent that. */
  onOpen?: () => void;
}

/** Asks as HAProxy does: connects, maybe sends a payload, reads to the end; fails on a reset. */
export function ask(
  port: number,
  { hostname = "127.0.0.1", payload, onOpen }: Question = {},
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = "";
  Bun.connect({
    hostname,
    port,
    socket: {
      open(socket) {
        if (payload !== undefined) socket.write(payload);
        onOpen?.();
      },
      data(_, chunk) {
        text += chunk.toString("latin1");
      },
      close(_, error) {
        if (error) reject(error);
        else resolve(text);
      },
      error: (_, error) => reject(error),
      connectError: (_, error) => reject(error),
    },
  }).catch(reject);
  return promise;
}
