import { networkInterfaces } from "node:os";
import { canonicalIp } from "./ip.ts";

/** Those that this machine has now. */
export function machineAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.flatMap(({ address }) => canonicalIp(address) ?? []);
}
