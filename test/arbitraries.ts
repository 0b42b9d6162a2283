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
