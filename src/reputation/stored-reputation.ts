import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Metrics } from "../base/metrics.ts";
import { type Answers, createAnswers } from "./answers.ts";
import type { Greylist } from "./greylist.ts";
import { createHotRecords } from "./hot-records.ts";
import { createLessonQueue, type LessonQueue } from "./lesson-queue.ts";
import { type Answer, known, type Reputation, type Subject } from "./reputation.ts";
import type { GreylistBackend, ReputationBackend, ShelfName } from "./reputation-backend.ts";
import type { Shelf } from "./shelf.ts";
import { HALF_LIFE_MS, isAlive, learned, type StoredRecord, toRecord } from "./subject-record.ts";
import { subjectText } from "./subjects.ts";

export interface StoredReputationOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** In an operator's word: "embedded", "redis". */
  readonly store: string;
  readonly halfLifeMs?: number;
  /** How long a record that was read is used again: for stores that are asked over a network. */
  readonly hotMs?: number;
}

interface Parts extends ReturnType<typeof createParts> {}

/** A Reputation over a product: what is the same for all of them. */
export function createStoredReputation(
  backend: ReputationBackend,
  options: StoredReputationOptions,
): Reputation {
  const parts = createParts(backend, options);
  const { clock, answers, queue, hot, halfLifeMs } = parts;
  return {
    look: (subjects) => look(parts, subjects),
    learn(lessons) {
      for (const lesson of lessons) hot.learn(lesson, clock.now(), halfLifeMs);
      queue.learn(lessons);
    },
    forget(subjects) {
      for (const subject of subjects) {
        queue.forget(subject);
        hot.drop(subject);
      }
      return answers.of("forget", () => backend.forget(subjects));
    },
    claim: (id, forMs) => answers.of("claim", () => backend.claim(id, clock.now(), forMs)),
    greylist: toGreylist(backend.greylist, parts),
    blocks: toShelf("blocks", parts),
    exceptions: toShelf("exceptions", parts),
    fileEntries: toShelf("file-entries", parts),
    flush: () => queue.flush(),
    async close() {
      await queue.close();
      await backend.close();
    },
  };
}

function createParts(backend: ReputationBackend, options: StoredReputationOptions) {
  const { clock, log, metrics, store, halfLifeMs = HALF_LIFE_MS, hotMs = 0 } = options;
  const answers: Answers = createAnswers({ clock, log, metrics, store });
  const lost = metrics?.counter(
    "postern_reputation_lost_lessons_total",
    "Subjects of whom something learned was lost, because the store was away or too slow.",
  );
  const queue: LessonQueue = createLessonQueue({
    clock,
    async write(batch) {
      const answer = await answers.of("learn", () => backend.write(batch));
      if (answer.kind === "unknown") throw new Error(answer.reason);
    },
    onLost: (subjects) => lost?.add({}, subjects),
  });
  const hot = createHotRecords({ clock, keepMs: hotMs });
  return { backend, clock, answers, queue, hot, halfLifeMs };
}

async function look(parts: Parts, subjects: readonly Subject[]): ReturnType<Reputation["look"]> {
  const { clock, hot, halfLifeMs } = parts;
  const found = new Map<string, StoredRecord | null>();
  const missing: Subject[] = [];
  for (const subject of subjects) {
    const record = hot.get(subject);
    if (record === undefined) missing.push(subject);
    else found.set(subjectText(subject), record);
  }
  const takers = missing.map((subject) => hot.expect(subject));
  const read = missing.length === 0 ? known([]) : await readNow(parts, missing, READ_TRIES);
  if (read.kind === "unknown") return read;
  missing.forEach((subject, i) => {
    const record = read.value[i] ?? null;
    found.set(subjectText(subject), record);
    takers[i]?.(record);
  });
  const now = clock.now();
  return known(
    subjects.map((subject) => {
      const stored = found.get(subjectText(subject)) ?? null;
      return isAlive(stored, now) ? toRecord(subject, stored, now, halfLifeMs) : null;
    }),
  );
}

/** A batch that left meanwhile may be in the answer or not. */
const READ_TRIES = 3;

/** From the store, with what waits to be written. */
async function readNow(
  parts: Parts,
  subjects: readonly Subject[],
  tries: number,
): Promise<Answer<readonly (StoredRecord | null)[]>> {
  const { backend, clock, answers, queue, halfLifeMs } = parts;
  await queue.settled(subjects);
  const batches = queue.batches();
  const answer = await answers.of("look", () => backend.read(subjects));
  if (answer.kind === "unknown") return answer;
  if (batches !== queue.batches() && tries > 1) return readNow(parts, subjects, tries - 1);
  const now = clock.now();
  return known(
    subjects.map((subject, i) => {
      const stored = answer.value[i] ?? null;
      const waiting = queue.waiting(subject);
      return waiting ? learned(stored, waiting, now, halfLifeMs) : stored;
    }),
  );
}

/** So long a store that could not be written is not read either. */
const GREYLIST_REST_MS = 10_000;

/**
 * A full store can be read: each attempt would be the first for ever. So whoever only looks hears
 * nothing while what he is told could not be kept.
 */
function toGreylist(greylist: GreylistBackend, { answers, clock }: Parts): Greylist {
  let rests = { until: Number.NEGATIVE_INFINITY, reason: "" };
  const change = async <T>(work: () => Promise<T>): Promise<Answer<T>> => {
    const answer = await answers.of("greylist", work);
    // What succeeds meanwhile may have had nothing to write, and ends no rest.
    if (answer.kind === "unknown")
      rests = { until: clock.monotonic() + GREYLIST_REST_MS, reason: answer.reason };
    return answer;
  };
  return {
    async peek(key, times) {
      if (clock.monotonic() < rests.until) return { kind: "unknown", reason: rests.reason };
      return answers.of("greylist", () => greylist.peek(key, times, clock.now()));
    },
    touch: (key, times) => change(() => greylist.touch(key, times, clock.now())),
    allow: (key, times) => done(change(() => greylist.allow(key, times, clock.now()))),
    forget: (key) => change(() => greylist.forget(key, clock.now())),
  };
}

function toShelf(name: ShelfName, { backend: { shelf }, answers, queue, clock }: Parts): Shelf {
  return {
    put: (entry) => done(answers.of(name, () => shelf.put(name, entry, clock.now()))),
    get: (keys) => answers.of(name, () => shelf.get(name, keys, clock.now())),
    async list() {
      const answer = await answers.of(name, () => shelf.list(name, clock.now()));
      if (answer.kind === "unknown") return answer;
      const now = clock.now();
      return known(
        answer.value.map((entry) => {
          const waiting = queue.waitingHits(name, entry.key);
          return waiting > 0 ? { ...entry, hits: entry.hits + waiting, lastHit: now } : entry;
        }),
      );
    },
    remove: (key) => answers.of(name, () => shelf.remove(name, key, clock.now())),
    hit: (key) => queue.hit(name, key),
  };
}

async function done(answer: Promise<Answer<void>>): Promise<Answer<true>> {
  const ended = await answer;
  return ended.kind === "unknown" ? ended : known(true);
}
