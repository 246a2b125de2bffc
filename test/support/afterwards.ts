import type { TestContext } from "node:test";

type Test = Pick<TestContext, "after">;

const stacks = new WeakMap<Test, AsyncDisposableStack>();

/**
 * Undoes it when the test has ended, what was made last first; `t.after` alone begins with the first,
 * and so takes away a folder while its users still write there.
 */
export function afterwards(t: Test, undo: () => unknown): void {
  const stack = stacks.get(t) ?? openStack(t);
  stack.defer(async () => void (await undo()));
}

function openStack(t: Test): AsyncDisposableStack {
  const stack = new AsyncDisposableStack();
  stacks.set(t, stack);
  t.after(() => stack.disposeAsync());
  return stack;
}
