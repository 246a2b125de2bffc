import type { Clock } from "../base/clock.ts";
import type { Lesson, Subject } from "./reputation.ts";
import type { LearnedBatch, ShelfHit, ShelfName } from "./reputation-backend.ts";
import { gatherLessons, type Learned } from "./subject-record.ts";
import { subjectText } from "./subjects.ts";

/** What a killed process loses at most, and the others see late, with the write itself: a second. */
const WRITE_AFTER_MS = 200;
/** Of one write: some ten milliseconds, which a look behind it waits. */
const BATCH = 500;
/** Subjects that wait: a flood while the store is slow. Some 10 MB. */
const MAX_WAITING = 20_000;

export interface LessonQueue {
  learn(lessons: readonly Lesson[]): void;
  hit(shelf: ShelfName, key: string): void;
  /** What of this subject is not yet on its way to the store. */
  waiting(subject: Subject): Learned | null;
  /** Resolves when nothing of these subjects is on its way any more. Never rejects. */
  settled(subjects: readonly Subject[]): Promise<void>;
  /** How many batches were sent: whether one was while somebody looked. */
  batches(): number;
  forget(subject: Subject): void;
  flush(): Promise<void>;
  /** Writes what waits; nothing is taken any more. */
  close(): Promise<void>;
}

export interface LessonQueueOptions {
  readonly clock: Clock;
  readonly write: (batch: LearnedBatch) => Promise<void>;
  /** Of so many subjects something was lost. */
  readonly onLost: (subjects: number) => void;
  readonly maxWaiting?: number;
}

interface Sent {
  readonly keys: ReadonlySet<string>;
  readonly end: Promise<void>;
}

/** Gathers what is learned and writes it in batches, one after another. */
export function createLessonQueue(options: LessonQueueOptions): LessonQueue {
  const { clock, write, onLost, maxWaiting = MAX_WAITING } = options;
  const waiting = new Map<string, { readonly subject: Subject; readonly learned: Learned }>();
  const hits = new Map<string, ShelfHit>();
  let closed = false;
  let batches = 0;
  let sent: Sent = { keys: new Set(), end: Promise.resolve() };
  const { flush, wake } = createPace(clock, async () => {
    while (waiting.size > 0 || hits.size > 0) {
      const subjects = takeFirst(waiting, BATCH);
      const batch = { subjects, hits: takeFirst(hits, BATCH), now: clock.now() };
      batches++;
      const end = write(batch).catch(() => onLost(subjects.length));
      sent = { keys: new Set(subjects.map(({ subject }) => subjectText(subject))), end };
      await end;
      sent = { keys: new Set(), end: Promise.resolve() };
    }
  });
  const hasRoom = (subject: Subject) =>
    !closed && (waiting.size < maxWaiting || waiting.has(subjectText(subject)));

  return {
    learn(lessons) {
      let lost = 0;
      for (const lesson of lessons) {
        if (hasRoom(lesson.subject)) gatherLessons(waiting, [lesson], subjectText);
        else lost++;
      }
      if (lost > 0) onLost(lost);
      wake();
    },
    hit(shelf, key) {
      const name = `${shelf} ${key}`;
      if (closed || (hits.size >= maxWaiting && !hits.has(name))) return;
      hits.set(name, { shelf, key, count: (hits.get(name)?.count ?? 0) + 1 });
      wake();
    },
    waiting: (subject) => waiting.get(subjectText(subject))?.learned ?? null,
    settled: (subjects) =>
      subjects.some((one) => sent.keys.has(subjectText(one))) ? sent.end : Promise.resolve(),
    batches: () => batches,
    forget: (subject) => void waiting.delete(subjectText(subject)),
    flush,
    async close() {
      closed = true;
      await flush();
    },
  };
}

/** Runs `writeAll`, which must not reject, a moment after the first `wake`, and never twice at once. */
function createPace(clock: Clock, writeAll: () => Promise<void>) {
  let cancelTimer: (() => void) | null = null;
  let writing: Promise<void> | null = null;
  const flush = () => {
    cancelTimer?.();
    cancelTimer = null;
    writing ??= writeAll().finally(() => {
      writing = null;
    });
    return writing;
  };
  const wake = () => {
    if (!writing) cancelTimer ??= clock.after(WRITE_AFTER_MS, () => void flush());
  };
  return { flush, wake };
}

function takeFirst<V>(from: Map<string, V>, most: number): readonly V[] {
  const taken: V[] = [];
  for (const [key, value] of from.entries().take(most)) {
    taken.push(value);
    from.delete(key);
  }
  return taken;
}
