import { createLookupScope, type Resolver } from "../../net/resolver.ts";
import { readZoneAnswer, type ZoneAnswer } from "./zone-answer.ts";

export interface CanaryResult {
  /** `silent`: no answer, which may be our own DNS. `wrong`: it is no working list. */
  readonly kind: "passed" | "silent" | "wrong";
  /** Empty when passed. */
  readonly reason: string;
}

/** RFC 5782 5: 127.0.0.2 must be listed, and 127.0.0.1 must not. */
const MUST_BE_LISTED = "2.0.0.127";
const MUST_NOT_BE_LISTED = "1.0.0.127";

/** Past the cache: what the zone said an hour ago is no sign of life. Never throws. */
export async function sendCanary(
  { zone, canary }: { readonly zone: string; readonly canary: boolean },
  resolver: Resolver,
  signal: AbortSignal,
): Promise<CanaryResult> {
  if (!canary) return PASSED;
  const scope = createLookupScope(signal);
  const ask = async (labels: string) =>
    readZoneAnswer(await resolver.lookup(`${labels}.${zone}`, "A", scope, { fresh: true }));
  const [listed, unlisted] = await Promise.all([ask(MUST_BE_LISTED), ask(MUST_NOT_BE_LISTED)]);
  return troubleOf(listed) ?? troubleOf(unlisted) ?? judge(listed, unlisted);
}

const PASSED: CanaryResult = { kind: "passed", reason: "" };

function troubleOf(answer: ZoneAnswer): CanaryResult | null {
  if (answer.kind === "temporary") return { kind: "silent", reason: answer.reason };
  if (answer.kind === "error" || answer.kind === "hijacked") return wrong(answer.reason);
  return null;
}

function judge(listed: ZoneAnswer, unlisted: ZoneAnswer): CanaryResult {
  if (unlisted.kind === "listed") return wrong("127.0.0.1 is listed: it lists everybody");
  if (listed.kind !== "listed") return wrong("127.0.0.2 is not listed: it lists nobody");
  return PASSED;
}

function wrong(reason: string): CanaryResult {
  return { kind: "wrong", reason };
}
