import type { Clock } from "../base/clock.ts";
import type { Lesson, Subject } from "./reputation.ts";
import type { LearnedBatch, ShelfHit, ShelfName } from "./reputation-backend.ts";
import { gatherLessons, type Learned } from "./subject-record.ts";
import { subjectText } from "./subjects.ts";

/** What a killed process loses at most, and the others see late, with the write itself: a second. */
const WRITE_AFTER_MS = 200;
/** Of one write: some ten milliseconds, which a look behind it waits. */
const BATCH = 500;
/** Nobody who looks waits longer for a batch that is on its way: the store may be mute. */
const SETTLE_LIMIT_MS = 20;
/** Subjects that wait: a flood while the store is slow. Some 10 MB. */
const MAX_WAITING = 20_000;

export interface LessonQueue {
  learn(lessons: readonly Lesson[]): void;
  hit(shelf: ShelfName, key: string): void;
  /** What of this subject is not yet on its way to the store. */
  waiting(subject: Subject): Learned | null;
  /** Hits of an entry that are not yet on their way. */
  waitingHits(shelf: ShelfName, key: string): number;
  /** Resolves when nothing of these subjects is on its way any more, or soon. Never rejects. */
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
  const hits = createHits(maxWaiting);
  let closed = false;
  let batches = 0;
  let sent: Sent | null = null;
  const { flush, wake } = createPace(clock, async () => {
    while (waiting.size > 0 || hits.size() > 0) {
      const subjects = takeFirst(waiting, BATCH);
      const batch = { subjects, hits: hits.take(BATCH), now: clock.now() };
      batches++;
      const end = write(batch).catch(() => onLost(subjects.length));
      sent = { keys: new Set(subjects.map(({ subject }) => subjectText(subject))), end };
      await end;
      sent = null;
    }
  });
  const take = (lesson: Lesson): boolean => {
    const hasRoom = waiting.size < maxWaiting || waiting.has(subjectText(lesson.subject));
    if (closed || !hasRoom) return false;
    gatherLessons(waiting, [lesson], subjectText);
    return true;
  };

  return {
    learn(lessons) {
      const lost = lessons.filter((lesson) => !take(lesson)).length;
      if (lost > 0) onLost(lost);
      wake();
    },
    hit(shelf, key) {
      if (!closed) hits.add(shelf, key);
      wake();
    },
    waiting: (subject) => waiting.get(subjectText(subject))?.learned ?? null,
    waitingHits: hits.waiting,
    settled: (subjects) => settle(clock, sent, subjects),
    batches: () => batches,
    forget: (subject) => void waiting.delete(subjectText(subject)),
    flush,
    async close() {
      closed = true;
      await flush();
    },
  };
}

function createHits(most: number) {
  const hits = new Map<string, ShelfHit>();
  const nameOf = (shelf: ShelfName, key: string) => `${shelf} ${key}`;
  const waiting = (shelf: ShelfName, key: string) => hits.get(nameOf(shelf, key))?.count ?? 0;
  return {
    size: () => hits.size,
    waiting,
    add(shelf: ShelfName, key: string) {
      const name = nameOf(shelf, key);
      if (hits.size < most || hits.has(name))
        hits.set(name, { shelf, key, count: waiting(shelf, key) + 1 });
    },
    take: (count: number) => takeFirst(hits, count),
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

async function settle(
  clock: Clock,
  sent: Sent | null,
  subjects: readonly Subject[],
): Promise<void> {
  if (!sent || !subjects.some((one) => sent.keys.has(subjectText(one)))) return;
  await new Promise<void>((resolve) => {
    const cancel = clock.after(SETTLE_LIMIT_MS, resolve);
    void sent.end.then(() => {
      cancel();
      resolve();
    });
  });
}

function takeFirst<V>(from: Map<string, V>, most: number): readonly V[] {
  const taken: V[] = [];
  for (const [key, value] of from.entries().take(most)) {
    taken.push(value);
    from.delete(key);
  }
  return taken;
}
