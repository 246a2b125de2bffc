import { type Cidr, parseIp } from "../../net/ip.ts";

/** Values by network. A look-up costs one step for each length of prefix in use, at most 129. */
export interface NetworkMap<T> {
  /** The values of all networks that hold the address, the most specific network first. */
  find(ip: string): readonly T[];
}

export function createNetworkMap<T>(
  entries: Iterable<{ readonly network: Cidr; readonly value: T }>,
): NetworkMap<T> {
  const byNetwork = new Map<string, T[]>();
  const lengths = { 4: new Set<number>(), 6: new Set<number>() };
  for (const { network, value } of entries) {
    const key = networkKey(network);
    const values = byNetwork.get(key) ?? [];
    values.push(value);
    byNetwork.set(key, values);
    lengths[network.family].add(network.bits);
  }
  const longestFirst = {
    4: [...lengths[4]].sort((a, b) => b - a),
    6: [...lengths[6]].sort((a, b) => b - a),
  };
  return {
    find(ip) {
      if (byNetwork.size === 0) return [];
      const address = parseIp(ip);
      if (address === null) return [];
      return longestFirst[address.family].flatMap(
        (bits) => byNetwork.get(networkKey({ ...address, bits })) ?? [],
      );
    },
  };
}

/** Equal for equal networks, whatever stands in their host bits. */
export function networkKey({ octets, bits }: Omit<Cidr, "family">): string {
  return `${maskTo(octets, bits).join(".")}/${bits}`;
}

/** The octets with all but the leading bits cleared. */
export function maskTo(octets: readonly number[], bits: number): readonly number[] {
  return octets.map((octet, i) => {
    const kept = Math.min(8, Math.max(0, bits - i * 8));
    return octet & (0xff << (8 - kept));
  });
}
