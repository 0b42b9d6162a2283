/** How long a read or a save may take, in milliseconds. */
const LIMIT_MS = 5000;

/** How long a read may take while an earlier one hangs. */
const HANGING_MS = 200;

/** How many reads have taken too long and have not returned. */
let hanging = 0;

/** A disk, or the server behind it, has not answered in time. */
export class LateError extends Error {
  constructor(milliseconds: number) {
    super(`the disk has not answered within ${milliseconds / 1000} s`);
  }
}

/**
 * Waits for a save, but not for ever: a call that hangs in the kernel cannot be cancelled.
 *
 * @param late called when the time is over, before the error is thrown.
 * @throws {LateError} when it takes too long; its later outcome is ignored.
 */
export async function limitTime<T>(
  work: Promise<T>,
  late?: () => void,
  milliseconds = LIMIT_MS,
): Promise<T> {
  const { promise: end, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late?.();
    reject(new LateError(milliseconds));
  }, milliseconds);
  try {
    return await Promise.race([work, end]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * As `limitTime`, for a read. While one hangs the next are given up sooner: a directory of files on
 * a disk that is gone must not hold up the events for 5 s each.
 */
export async function limitRead<T>(work: Promise<T>, late?: () => void): Promise<T> {
  const hangs = () => {
    late?.();
    hanging += 1;
    const returned = () => {
      hanging -= 1;
    };
    work.then(returned, returned);
  };
  return await limitTime(work, hangs, hanging > 0 ? HANGING_MS : LIMIT_MS);
}
