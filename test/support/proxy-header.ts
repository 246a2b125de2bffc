import ipaddr from "ipaddr.js";

export interface ProxyV2 {
  /** Default: 0x21, PROXY. */
  readonly command?: number;
  /** Default: TCP over the source's family. */
  readonly family?: number;
  /** Also taken as the destination. */
  readonly source?: string;
  readonly port?: number;
  /** Behind the addresses; or all of the body without a source. */
  readonly tlvs?: Buffer;
}

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** A header of version 2 of the PROXY protocol, right or wrong. */
export function toProxyV2(header: ProxyV2): Buffer {
  const ip = header.source === undefined ? [] : ipaddr.parse(header.source).toByteArray();
  const ports = Buffer.alloc(ip.length > 0 ? 4 : 0);
  if (ip.length > 0) ports.writeUInt16BE(header.port ?? 0);
  const body = Buffer.concat([Buffer.from([...ip, ...ip]), ports, header.tlvs ?? Buffer.alloc(0)]);
  const family = header.family ?? (ip.length === 4 ? 0x11 : 0x21);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  return Buffer.concat([SIGNATURE, Buffer.from([header.command ?? 0x21, family]), length, body]);
}
