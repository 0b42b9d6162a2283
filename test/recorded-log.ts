import { spyOn } from "bun:test";
import * as log from "../src/log.ts";

/** Keeps what is logged, in place of stderr, to the end of the scope: `using log = recordLog()`. */
export function recordLog(): Disposable & { readonly lines: string[] } {
  const lines: string[] = [];
  const recorder = spyOn(log, "log").mockImplementation((message, fields = {}) => {
    lines.push(log.formatLine(message, fields).trimEnd());
  });
  return { lines, [Symbol.dispose]: () => recorder.mockRestore() };
}
