import { z } from "zod";
import { type AnyStage, defineStage, type Stage } from "../../src/pipeline/stage.ts";
import { NEUTRAL } from "../../src/pipeline/verdict.ts";
import type { Domains } from "../../src/policy/snapshot.ts";

const listsOptions = z.strictObject({
  lists: z
    .array(z.strictObject({ zone: z.string(), score: z.number().default(1) }))
    .max(3)
    .default([]),
  rejectAt: z.number().nullable().default(null),
});

/**
 * A catalog that is made for tests of the loader: one stage for each way to have options. What each
 * stage was given when it judged goes to `seen`.
 */
export function createTestCatalog(seen: unknown[] = []): readonly AnyStage<object>[] {
  return [gate(seen), lists(seen), spf(seen), domains(seen), scan(seen)];
}

const neutral = {
  timeoutMs: 1000,
  onFailure: "open",
  trustable: true,
  observe: async () => null,
} as const;

function gate(seen: unknown[]): Stage<"connect", object> {
  return defineStage<"connect", object, null, object>({
    ...neutral,
    name: "gate",
    phase: "connect",
    canTrust: true,
    file: "gate",
    options: z.strictObject({ allow: z.array(z.string()).default([]) }),
    judge: note(seen),
  });
}

function lists(seen: unknown[]): Stage<"connect", object> {
  return defineStage<"connect", object, null, object>({
    ...neutral,
    name: "lists",
    phase: "connect",
    file: "lists",
    options: listsOptions,
    judge: note(seen),
  });
}

function spf(seen: unknown[]): Stage<"mail", object> {
  return defineStage<"mail", object, null, object>({
    ...neutral,
    name: "spf",
    phase: "mail",
    file: "sender-auth",
    section: "spf",
    options: z.strictObject({ onFail: z.enum(["score", "reject"]).default("score") }),
    judge: note(seen),
  });
}

function domains(seen: unknown[]): Stage<"rcpt", object> {
  return defineStage<"rcpt", Domains, null, object>({
    ...neutral,
    name: "domains",
    phase: "rcpt",
    onFailure: "closed",
    trustable: false,
    essential: true,
    file: "domains",
    options: z.custom<Domains>(),
    judge: note(seen),
  });
}

function scan(seen: unknown[]): Stage<"data", object> {
  return defineStage<"data", object, null, object>({
    ...neutral,
    name: "scan",
    phase: "data",
    onFailure: "closed",
    trustable: false,
    file: "scan",
    options: z.strictObject({ deep: z.boolean().default(true) }),
    judge: note(seen),
  });
}

function note(seen: unknown[]) {
  return (_: null, options: unknown) => {
    seen.push(options);
    return NEUTRAL;
  };
}
