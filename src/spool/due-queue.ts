/** Ids in order of their time; equal times in order of arrival. Each operation is O(log n). */
export interface DueQueue {
  push(id: string, dueAt: number): void;
  /** Takes out the first that is due at `now`; null when none is. */
  pop(now: number): string | null;
  /** The one that `pop` would take out in its time. */
  first(): { readonly id: string; readonly dueAt: number } | null;
  nextDueAt(): number | null;
}

interface Slot {
  readonly id: string;
  readonly dueAt: number;
  readonly serial: number;
}

/** A binary heap. */
export function createDueQueue(): DueQueue {
  const heap: Slot[] = [];
  let serial = 0;
  return {
    push(id, dueAt) {
      heap.push({ id, dueAt, serial: serial++ });
      rise(heap, heap.length - 1);
    },
    pop(now) {
      const first = heap[0];
      if (!first || first.dueAt > now) return null;
      const last = heap.pop();
      if (last && heap.length > 0) {
        heap[0] = last;
        sink(heap);
      }
      return first.id;
    },
    first: () => heap[0] ?? null,
    nextDueAt: () => heap[0]?.dueAt ?? null,
  };
}

function isBefore(a: Slot | undefined, b: Slot | undefined): boolean {
  if (!a || !b) return a !== undefined;
  return a.dueAt === b.dueAt ? a.serial < b.serial : a.dueAt < b.dueAt;
}

function rise(heap: Slot[], from: number): void {
  for (let at = from; at > 0; ) {
    const parent = (at - 1) >> 1;
    if (!isBefore(heap[at], heap[parent])) return;
    swap(heap, at, parent);
    at = parent;
  }
}

function sink(heap: Slot[]): void {
  for (let at = 0; ; ) {
    const left = 2 * at + 1;
    const child = isBefore(heap[left + 1], heap[left]) ? left + 1 : left;
    if (!isBefore(heap[child], heap[at])) return;
    swap(heap, at, child);
    at = child;
  }
}

function swap(heap: Slot[], a: number, b: number): void {
  const [x, y] = [heap[a], heap[b]];
  if (!x || !y) return;
  heap[a] = y;
  heap[b] = x;
}
