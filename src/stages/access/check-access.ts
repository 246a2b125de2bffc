import type { Company, OptionFault } from "../../pipeline/stage.ts";
import { hint } from "../../policy/nearest.ts";
import type { AccessOptions } from "./access-options.ts";

/** Stages that heed entries with `sender`: MAIL FROM, then From and who was proven. */
const SENDER_STAGES: readonly string[] = ["sender-access", "from-access"];

/** Names in a scope that are nobody's, and entries that nobody would heed. */
export function checkAccess(
  { allow, block }: AccessOptions,
  company: Company,
): readonly OptionFault[] {
  const scopes = allow.flatMap(({ scope = [] }, index) =>
    scope.flatMap((name, at) => {
      const message = scopeFault(name, company);
      return message === null ? [] : [{ path: ["allow", index, "scope", at], message }];
    }),
  );
  const away = SENDER_STAGES.filter((name) => company.get(name)?.isPlaced !== true);
  const names = away.map((name) => `\`${name}\``).join(" and ");
  const message = `not heeded: ${names} is not in pipeline.yaml`;
  const unheeded = Object.entries({ allow, block }).flatMap(([list, entries]) =>
    entries.flatMap(({ sender }, index) =>
      sender === undefined || away.length === 0 ? [] : [{ path: [list, index, "sender"], message }],
    ),
  );
  return [...scopes, ...unheeded];
}

function scopeFault(name: string, company: Company): string | null {
  const stage = company.get(name);
  const others = [...company].flatMap(([other, { trustable }]) => (trustable ? [other] : []));
  if (!stage) return `no stage \`${name}\`${hint(name, others)}`;
  return stage.trustable ? null : "expected a stage that trust can skip; this one sees all mail";
}
