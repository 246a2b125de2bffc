import { createServer, type Server } from "node:net";
import type { TestContext } from "node:test";
import { generate } from "selfsigned";
import { afterwards } from "./afterwards.ts";
import { type HubIdentity, type HubState, serveHubSession } from "./scripted-hub-session.ts";

/**
 * A hub that records octet for octet what it is told, and misbehaves on request. Speaks its own
 * small SMTP on a raw socket, so that no bug of ours can hide in both ends.
 */
export interface ScriptedHub {
  readonly host: string;
  readonly port: number;
  /** PEM of the certificate for `localhost` and 127.0.0.1; null without `tls`. */
  readonly certificate: string | null;
  /** Every message whose final dot arrived and that was not refused, in order of the dot. */
  readonly messages: readonly HubMessage[];
  /** Addresses that connections came from, in order. */
  readonly clients: readonly string[];
  /** Fingerprints of the certificates that clients showed, as node:tls writes them. */
  readonly shown: readonly string[];
  /** Names that clients asked for in the handshake (SNI), in order. */
  readonly askedFor: readonly string[];
  /** Every command line of every connection, in order. */
  readonly lines: readonly string[];
  /** Connections accepted so far, and those open now. */
  readonly connections: number;
  openConnections(): number;
  /** How many times a step has happened: `count("dot")` messages have arrived whole. */
  count(step: HubStep): number;
  waitForMessages(count: number, limitMs?: number): Promise<readonly HubMessage[]>;
  /** Resolves when `condition` holds; looked at after every event. */
  waitFor(condition: () => boolean, limitMs?: number): Promise<void>;
  /** Drops all connections and stops listening. */
  close(): Promise<void>;
}

export interface HubMessage {
  /** Between the angle brackets; "" for the null sender. */
  readonly sender: string;
  /** Those that were accepted. */
  readonly recipients: readonly string[];
  readonly mailLine: string;
  readonly rcptLines: readonly string[];
  /** Dots unstuffed, without the final dot. */
  readonly data: Buffer;
  /** As it came over the wire, final dot included. */
  readonly wire: Buffer;
  readonly connection: number;
  readonly tls: boolean;
  /** What the client was told; null when the connection was dropped instead. */
  readonly reply: string | null;
}

export type HubStep =
  | "connect"
  | "ehlo"
  | "helo"
  | "starttls"
  | "mail"
  | "rcpt"
  | "data"
  | "dot"
  | "rset"
  | "quit"
  | "other";

export interface HubEvent {
  readonly step: HubStep;
  /** The command as spoken; "" for connect and dot. */
  readonly line: string;
  /** 1 for the first connection. */
  readonly connection: number;
  /** 1 for the first time this step happens on this hub. */
  readonly count: number;
}

/** A reply ("550 5.1.1 no", several lines parted by CRLF), or a fault. Undefined: the usual. */
export type HubAction =
  | string
  | undefined
  /** Never answers. */
  | { readonly hang: true }
  /** Closes, after a reply if there is one. */
  | { readonly drop: true; readonly reply?: string }
  /** Answers and sends these bytes in the same segment, before any handshake. */
  | { readonly reply: string; readonly inject: string };

export interface HubOptions {
  /** EHLO keywords. Default: PIPELINING, 8BITMIME, SMTPUTF8, SIZE, ENHANCEDSTATUSCODES. */
  readonly capabilities?: readonly string[];
  readonly script?: (event: HubEvent) => HubAction | Promise<HubAction>;
  /** Offers STARTTLS with a self-signed certificate. */
  readonly tls?: boolean;
  /** The same with this certificate. */
  readonly identity?: HubIdentity;
  readonly port?: number;
  /** Default: 127.0.0.1. */
  readonly host?: string;
}

const HOST = "127.0.0.1";

export async function startScriptedHub(options: HubOptions = {}): Promise<ScriptedHub> {
  const { host = HOST } = options;
  const identity = options.identity ?? (options.tls ? await makeIdentity() : null);
  const state = createState(options, identity);
  const server = createServer((socket) => serveHubSession(state, socket));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(options.port ?? 0, host, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return toHub(state, server, host, address.port);
}

function createState(options: HubOptions, identity: HubIdentity | null): HubState {
  const watchers = new Set<() => void>();
  return {
    options,
    identity,
    messages: [],
    clients: [],
    shown: [],
    askedFor: [],
    lines: [],
    sockets: new Set(),
    counts: new Map(),
    watchers,
    connections: 0,
    changed() {
      for (const watcher of watchers) watcher();
    },
  };
}

function toHub(state: HubState, server: Server, host: string, port: number): ScriptedHub {
  const waitFor = (condition: () => boolean, limitMs = 10_000) =>
    new Promise<void>((resolve, reject) => {
      const seen = () => `${state.messages.length} messages; lines:\n${state.lines.join("\n")}`;
      const timer = setTimeout(
        () => finish(new Error(`the hub waited in vain: ${seen()}`)),
        limitMs,
      );
      const look = () => condition() && finish();
      const finish = (error?: Error) => {
        clearTimeout(timer);
        state.watchers.delete(look);
        if (error) reject(error);
        else resolve();
      };
      state.watchers.add(look);
      look();
    });
  return {
    host,
    port,
    certificate: state.identity?.cert ?? null,
    messages: state.messages,
    clients: state.clients,
    shown: state.shown,
    askedFor: state.askedFor,
    lines: state.lines,
    get connections() {
      return state.connections;
    },
    openConnections: () => state.sockets.size,
    count: (step) => state.counts.get(step) ?? 0,
    waitFor,
    async waitForMessages(count, limitMs) {
      await waitFor(() => state.messages.length >= count, limitMs);
      return state.messages;
    },
    close() {
      for (const socket of state.sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function makeIdentity(): Promise<HubIdentity> {
  const made = await generate([{ name: "commonName", value: "localhost" }], {
    extensions: [
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: HOST },
        ],
      },
    ],
  });
  return { key: made.private, cert: made.cert };
}

/** For as long as the test lasts. */
export async function hubFor(t: TestContext, options: HubOptions = {}): Promise<ScriptedHub> {
  const hub = await startScriptedHub(options);
  afterwards(t, () => hub.close());
  return hub;
}
