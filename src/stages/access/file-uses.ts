import type { Clock } from "../../base/clock.ts";
import type { Shelf } from "../../reputation/shelf.ts";

const DAY_MS = 86_400_000;
/** An entry that nobody needed for so long begins at nought again; what is gone from the file ends. */
const KEEP_MS = 400 * DAY_MS;
/** So seldom its place is renewed: but for that, a use is a hit, and hits are written together. */
const RENEW_MS = DAY_MS;

/** Counts a use of an entry of `access.yaml` by its key: nobody puts it on the shelf beforehand. */
export function createFileUses(
  shelf: Pick<Shelf, "put" | "hit">,
  clock: Pick<Clock, "now">,
): (key: string) => void {
  const renewedAt = new Map<string, number>();
  return (key) => {
    const now = clock.now();
    if (now - (renewedAt.get(key) ?? Number.NEGATIVE_INFINITY) >= RENEW_MS) {
      renewedAt.set(key, now);
      void shelf.put({ key, value: null, until: now + KEEP_MS }).then(({ kind }) => {
        if (kind === "unknown") renewedAt.delete(key);
      });
    }
    shelf.hit(key);
  };
}
