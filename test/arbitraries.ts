import fc from "fast-check";
import { STATUSES } from "../src/state/state.ts";

/** Any valid state. */
export const anyState = fc.record(
  {
    status: fc.constantFrom(...STATUSES),
    weight: fc.integer({ min: 0, max: 255 }),
    maxconn: fc.integer({ min: 0, max: 65535 }),
    reason: fc.string({ unit: "grapheme-ascii", maxLength: 100 }),
  },
  { requiredKeys: ["status"] },
);

/**
 * Any text: half of it ASCII, the rest any code units, surrogates on their own too. (fast-check's
 * own "binary" strings take seconds to be prepared.)
 */
export const anyText = fc
  .array(fc.oneof(fc.nat(0x7f), fc.nat(0xffff)))
  .map((units) => String.fromCharCode(...units));
