import { isInnerIp, parseIp } from "../net/ip.ts";
import type { LookupScope, Resolver } from "../net/resolver.ts";
import { coverage } from "../policy/domain-pattern.ts";
import type { Connector, Domains, Routing } from "../policy/snapshot.ts";

/** Where mail for the outside leaves, as receivers of it see it. */
export interface SendingAddresses {
  /** Canonical and public. */
  readonly addresses: readonly string[];
  /** Host names in EHLO of connectors that deliver to mail servers. */
  readonly ehloNames: readonly string[];
  /** Of somebody else, which send in our name. */
  readonly smarthosts: readonly string[];
  /** Ours, and of no use to a receiver. */
  readonly inner: readonly string[];
}

export interface SendingQuestion {
  readonly routing: Routing;
  readonly domains: Domains;
  readonly hostname: string;
  /** Of this machine. */
  readonly machine: readonly string[];
  /** What an operator says that the outside sees. */
  readonly given: readonly string[];
  readonly resolver: Pick<Resolver, "lookup">;
  readonly scope: LookupScope;
}

/** From the settings, the machine and DNS: a machine behind NAT does not know its own address. */
export async function findSendingAddresses(question: SendingQuestion): Promise<SendingAddresses> {
  const { routing, domains, hostname, machine, given } = question;
  const isAccepted = coverage(domains.all.map(({ name }) => name));
  const outside = routing.all.filter((one) => !one.domains.every(isAccepted));
  const direct = outside.filter(({ to }) => to.kind === "mx");
  const ehloNames = [...new Set(direct.map(({ ehlo }) => ehlo ?? hostname))];
  const own = direct.flatMap((connector) => ownAddresses(connector, machine));
  const named = await Promise.all(ehloNames.map((name) => addressesOf(name, question)));
  const all = [...new Set([...given, ...own, ...named.flat()])];
  const isInner = (text: string) => {
    const ip = parseIp(text);
    return ip === null || isInnerIp(ip);
  };
  return {
    addresses: all.filter((address) => !isInner(address)),
    ehloNames,
    smarthosts: [...new Set(outside.flatMap(smarthostsOf))],
    inner: all.filter(isInner).filter((address) => parseIp(address)?.octets[0] !== 127),
  };
}

/** Without a source address the system chooses one of those of the machine. */
function ownAddresses(
  { sourceAddresses }: Connector,
  machine: readonly string[],
): readonly string[] {
  return sourceAddresses.length > 0 ? sourceAddresses : machine;
}

function smarthostsOf({ to }: Connector): readonly string[] {
  return to.kind === "smarthosts" ? to.hosts.map(({ host }) => host) : [];
}

async function addressesOf(
  name: string,
  { resolver, scope }: SendingQuestion,
): Promise<readonly string[]> {
  const answers = [
    await resolver.lookup(name, "A", scope),
    await resolver.lookup(name, "AAAA", scope),
  ];
  return answers
    .flatMap((answer) => (answer.kind === "found" ? answer.records : []))
    .flatMap((text) => parseIp(text)?.text ?? []);
}
