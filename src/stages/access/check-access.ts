import { parseCidr } from "../../net/ip.ts";
import { TRUSTED_RELAY_STAGE } from "../../pipeline/origin.ts";
import type { Company, OptionFault } from "../../pipeline/stage.ts";
import { hint } from "../../policy/nearest.ts";
import type { AccessOptions } from "./access-options.ts";
import { networkKey } from "./network-map.ts";

/** Stages that heed entries with `sender`: MAIL FROM, then From and who was proven. */
const SENDER_STAGES: readonly string[] = ["sender-access", "from-access"];

/** Names in a scope that are nobody's, and entries that nobody would heed. */
export function checkAccess(
  { allow, block, trustedRelays }: AccessOptions,
  company: Company,
): readonly OptionFault[] {
  const scopes = allow.flatMap(({ scope = [] }, index) =>
    scope.flatMap((name, at) => {
      const message = scopeFault(name, company);
      return message === null ? [] : [{ path: ["allow", index, "scope", at], message }];
    }),
  );
  const relays = checkRelays({ allow, block, trustedRelays }, company);
  const away = SENDER_STAGES.filter((name) => company.get(name)?.isPlaced !== true);
  const names = away.map((name) => `\`${name}\``).join(" and ");
  const message = `not heeded: ${names} is not in pipeline.yaml`;
  const unheeded = Object.entries({ allow, block }).flatMap(([list, entries]) =>
    entries.flatMap(({ sender }, index) =>
      sender === undefined || away.length === 0 ? [] : [{ path: [list, index, "sender"], message }],
    ),
  );
  return [...scopes, ...unheeded, ...relays];
}

/** Relays that nobody would look behind, and entries about them that would do nothing. */
function checkRelays(
  { allow, block, trustedRelays }: Pick<AccessOptions, "allow" | "block" | "trustedRelays">,
  company: Company,
): readonly OptionFault[] {
  if (trustedRelays.length === 0) return [];
  const isPlaced = company.get(TRUSTED_RELAY_STAGE)?.isPlaced === true;
  const message = `not heeded: stage \`${TRUSTED_RELAY_STAGE}\` is not in pipeline.yaml`;
  const networks = new Set(trustedRelays.map(({ client }) => keyOf(client)));
  const idle = Object.entries({ allow, block }).flatMap(([list, entries]) =>
    entries.flatMap(({ client }, index) => {
      if (client === undefined || !networks.has(keyOf(client))) return [];
      const fault = "not heeded: a trusted relay's mail is judged by where it comes from";
      return [{ path: [list, index, "client"], message: fault }];
    }),
  );
  return isPlaced ? idle : [...idle, { path: ["trustedRelays"], message }];
}

function keyOf(client: string): string {
  const network = parseCidr(client);
  return network === null ? client : networkKey(network);
}

function scopeFault(name: string, company: Company): string | null {
  const stage = company.get(name);
  const others = [...company].flatMap(([other, { trustable }]) => (trustable ? [other] : []));
  if (!stage) return `no stage \`${name}\`${hint(name, others)}`;
  return stage.trustable ? null : "expected a stage that trust can skip; this one sees all mail";
}
