import { createReputationWorld, type SentMail } from "./reputation-world.ts";

/** Somebody who sends for a month. */
interface Sender {
  readonly group: string;
  readonly isGood: boolean;
  /** Messages on a day; 0: none. */
  readonly perDay: (day: number) => number;
  readonly mail: (day: number, number: number) => SentMail;
  /** Share of messages that the other stages call bad: rightly or not. */
  readonly caught: (day: number) => number;
  /** Share of recipients that do not exist. */
  readonly unknown: number;
}

export interface GroupResult {
  readonly group: string;
  readonly senders: number;
  readonly messages: number;
  readonly blocks: number;
  /** Messages that a client sent before he was blocked for the first time, in the median. */
  readonly untilBlock: number | null;
  readonly refused: number;
}

const DAY_MS = 86_400_000;
const DAYS = 30;

/**
 * A month of mail of a mixed population, on a clock of its own;
 * the dice fall the same each time.
 */
export async function simulateMonth(): Promise<readonly GroupResult[]> {
  const { senders, zone } = population();
  const world = createReputationWorld({ zone });
  const random = dice(20260101);
  const tallies = new Map<Sender, Tally>(senders.map((sender) => [sender, newTally()]));
  const start = world.now;
  for (let day = 0; day < DAYS; day++) {
    const plan = senders.flatMap((sender) =>
      Array.from({ length: sender.perDay(day) }, (_, i) => ({ sender, i, at: random() * DAY_MS })),
    );
    for (const { sender, i, at } of plan.sort((a, b) => a.at - b.at)) {
      world.now = start + day * DAY_MS + at;
      const bad = random() < sender.caught(day);
      const unknown = random() < sender.unknown ? 1 : 0;
      const mail = sender.mail(day, i);
      const seen = await world.send({
        ...mail,
        score: bad ? 8 : 0,
        unknown,
        recipients: 1 - unknown,
      });
      note(tallies.get(sender), mail.ip, seen.refused, seen.evidence.block !== null);
    }
  }
  await world.close();
  return toResults(tallies);
}

interface Tally {
  messages: number;
  refused: number;
  blocks: number;
  readonly sent: Map<string, number>;
  readonly until: Map<string, number>;
}

function newTally(): Tally {
  return { messages: 0, refused: 0, blocks: 0, sent: new Map(), until: new Map() };
}

function note(tally: Tally | undefined, ip: string, refused: boolean, before: boolean): void {
  if (!tally) return;
  tally.messages += 1;
  const sent = tally.sent.get(ip) ?? 0;
  tally.sent.set(ip, sent + 1);
  if (!refused) return;
  tally.refused += 1;
  if (before) return;
  tally.blocks += 1;
  if (!tally.until.has(ip)) tally.until.set(ip, sent);
}

function toResults(tallies: ReadonlyMap<Sender, Tally>): readonly GroupResult[] {
  const groups = Map.groupBy(tallies, ([{ group }]) => group);
  return [...groups].map(([group, members]) => {
    const sum = (of: (tally: Tally) => number) =>
      members.reduce((all, [, one]) => all + of(one), 0);
    const until = members.flatMap(([, one]) => [...one.until.values()]).sort((a, b) => a - b);
    return {
      group,
      senders: members.length,
      messages: sum(({ messages }) => messages),
      blocks: sum(({ blocks }) => blocks),
      untilBlock: until[Math.floor(until.length / 2)] ?? null,
      refused: sum(({ refused }) => refused),
    };
  });
}

/** Deterministic, evenly spread between 0 and 1 (mulberry32). */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function population() {
  const zone: Record<string, readonly string[]> = {};
  const named = (ip: string, name: string) => {
    zone[`PTR ${ip.split(".").reverse().join(".")}.in-addr.arpa`] = [name];
    zone[`A ${name}`] = [ip];
  };
  const steady = (count: number) => () => count;
  const neat = (group: string, ip: string, domain: string, perDay: Sender["perDay"]): Sender => {
    named(ip, `mail.${domain}`);
    const mail = () => ({ ip, helo: `mail.${domain}`, domain });
    return { group, isGood: true, perDay, mail, caught: steady(0.02), unknown: 0.01 };
  };
  const senders: Sender[] = [];
  for (let n = 1; n <= 40; n++)
    senders.push(neat("good senders", `10.1.${n}.1`, `good${n}.test`, steady(1 + (n % 10))));
  for (let n = 1; n <= 10; n++)
    senders.push({
      ...neat("good senders with a careless set-up", `10.2.${n}.1`, `lax${n}.test`, steady(n)),
      mail: () => ({ ip: `10.2.${n}.2`, helo: "server" }),
      caught: steady(0.08),
      unknown: 0.03,
    });
  const provider = neat("a large provider", "10.3.0.1", "provider.test", steady(400));
  senders.push({ ...provider, caught: steady(0.03) });
  const newsletter = neat("a newsletter", "10.4.0.1", "news.test", (day) =>
    day % 7 === 1 ? 800 : 0,
  );
  senders.push({ ...newsletter, caught: steady(0.06), unknown: 0.08 });
  for (const [n, since] of [0, 3, 10, 20].entries())
    senders.push(
      neat("good senders within a spammer's /24", `10.9.0.${200 + n}`, `tenant${n}.test`, (day) =>
        day < since ? 0 : 4,
      ),
    );
  senders.push({
    ...neat("careless newcomer within a spammer's /24", "10.9.0.250", "new.test", (day) =>
      day < 8 ? 0 : 3,
    ),
    mail: () => ({ ip: "10.9.0.251", helo: "server" }),
    caught: steady(0.08),
  });
  const spam = (group: string, mail: Sender["mail"], perDay: number): Sender => ({
    group,
    isGood: false,
    perDay: steady(perDay),
    mail,
    caught: steady(0.93),
    unknown: 0.2,
  });
  for (let n = 1; n <= 5; n++)
    senders.push(
      spam("spammers at one address", () => ({ ip: `10.8.${n}.1`, helo: `pc-${n}` }), 40),
    );
  for (let host = 1; host <= 180; host++) named(`10.9.0.${host}`, `h${host}.bulk.test`);
  senders.push(
    spam(
      "a spammer who rotates through a /24, neat and with SPF",
      (day, n) => {
        const host = 1 + ((day * 25 + Math.floor(n / 10)) % 180);
        return { ip: `10.9.0.${host}`, helo: `h${host}.bulk.test`, domain: `d${day}.bulk.test` };
      },
      250,
    ),
  );
  const victim = neat("a good sender, compromised on day 15", "10.5.0.1", "victim.test", (day) =>
    day >= 15 && day < 18 ? 1000 : 30,
  );
  const burst = (day: number) => (day >= 15 && day < 18 ? 0.95 : 0.02);
  senders.push({ ...victim, isGood: false, caught: burst, unknown: 0.1 });
  return { senders, zone };
}
