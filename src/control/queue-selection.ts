import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import { parseDomainName } from "../mail/domain-name.ts";
import type { KnownEntry, Spool, SpoolItem } from "../spool/spool.ts";
import { MAX_KNOWN_DOMAINS } from "../spool/spool-slot.ts";

/** Conditions are joined by and; texts are parts, without case. None: everything. */
export const selectorArgs = {
  recipient: z.string().optional(),
  /** The whole domain of a recipient. */
  domain: z.string().optional(),
  sender: z.string().optional(),
  reason: z.string().optional(),
  state: z.enum(["due", "active", "held"]).optional(),
  /** Of entries or transactions; absent: all. */
  ids: z.array(z.string()).optional(),
} as const;

export type Selector = z.infer<z.ZodObject<typeof selectorArgs>>;

/** An entry as it is now. `dueAt` may be earlier than its file says. */
export type QueueRow = SpoolItem & Pick<KnownEntry, "state">;

/** Files looked at before others get their turn. */
const READS_A_TURN = 16;

/** What fits, the oldest first. Reads the files of what may fit. */
export async function* selectEntries(
  spool: Pick<Spool, "list" | "desk">,
  selector: Selector,
): AsyncGenerator<QueueRow> {
  const named = selector.ids && new Set(selector.ids.flatMap((text) => spool.desk.find(text)));
  const ids = spool
    .list()
    .filter((entry) => (!named || named.has(entry.id)) && mayFit(entry, selector))
    .map(({ id }) => id);
  for (const [nth, id] of ids.sort().entries()) {
    if (nth % READS_A_TURN === 0) await setImmediate();
    const row = await readRow(spool.desk, id);
    if (row && fits(row, selector)) yield row;
  }
}

/** Null when it is gone or set aside; also when it cannot be read just now, which the log tells. */
async function readRow(desk: Spool["desk"], id: string): Promise<QueueRow | null> {
  try {
    const story = await desk.read(id);
    return story && { ...story.item, state: story.state, dueAt: story.dueAt };
  } catch {
    return null;
  }
}

/** By what is known without reading. */
function mayFit({ state, known }: KnownEntry, selector: Selector): boolean {
  if (selector.state && state !== selector.state) return false;
  if (selector.domain === undefined || !known) return true;
  return known.domains.length === MAX_KNOWN_DOMAINS || known.domains.includes(toDomain(selector));
}

function fits(row: QueueRow, { recipient, domain, sender, reason, state }: Selector): boolean {
  const { recipients, sender: from } = row.envelope;
  const people = recipients.map(({ address }) => address);
  if (state && row.state !== state) return false;
  if (domain !== undefined && !people.some((one) => one.domain === toDomain({ domain })))
    return false;
  if (recipient && !people.some(({ spoken }) => contains(spoken, recipient))) return false;
  if (sender && !contains(from?.spoken ?? "<>", sender)) return false;
  return !reason || contains(row.held?.reason ?? "", reason) || contains(row.reason, reason);
}

function contains(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase());
}

/** As entries have it: lower-case A-labels. */
function toDomain({ domain = "" }: Pick<Selector, "domain">): string {
  return parseDomainName(domain, { utf8: true }) ?? domain.toLowerCase();
}
