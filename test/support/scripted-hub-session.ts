import type { Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import type { HubAction, HubMessage, HubOptions, HubStep } from "./scripted-hub.ts";

const CAPABILITIES = ["PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 52428800", "ENHANCEDSTATUSCODES"];

export interface HubIdentity {
  readonly key: string;
  readonly cert: string;
}

export interface HubState {
  readonly options: HubOptions;
  readonly identity: HubIdentity | null;
  readonly messages: HubMessage[];
  readonly clients: string[];
  readonly shown: string[];
  readonly askedFor: string[];
  readonly lines: string[];
  readonly sockets: Set<Socket>;
  readonly counts: Map<HubStep, number>;
  readonly watchers: Set<() => void>;
  connections: number;
  changed(): void;
}

interface Session {
  readonly number: number;
  socket: Socket;
  tls: boolean;
  mailLine: string;
  rcptLines: string[];
  recipients: string[];
  /** Not yet consumed octets of commands. */
  input: Buffer;
  /** Octets of DATA so far; null between messages. */
  wire: Buffer[] | null;
  busy: boolean;
}

export function serveHubSession(state: HubState, socket: Socket): void {
  state.connections += 1;
  state.clients.push(socket.remoteAddress ?? "");
  const session: Session = {
    number: state.connections,
    socket,
    tls: false,
    mailLine: "",
    rcptLines: [],
    recipients: [],
    input: Buffer.alloc(0),
    wire: null,
    busy: false,
  };
  attach(state, session, socket);
  void act(state, session, "connect", "", "220 hub.test ESMTP").then(() => consume(state, session));
}

function attach(state: HubState, session: Session, socket: Socket): void {
  session.socket = socket;
  state.sockets.add(socket);
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    state.sockets.delete(socket);
    state.changed();
  });
  socket.on("data", (chunk: Buffer) => {
    if (session.socket !== socket) return;
    if (session.wire && !session.busy) session.wire.push(chunk);
    else session.input = Buffer.concat([session.input, chunk]);
    void consume(state, session);
  });
}

/** Asks the script, speaks, and tells whether the usual reply was given. */
async function act(
  state: HubState,
  session: Session,
  step: HubStep,
  line: string,
  usual: string,
): Promise<string | null> {
  session.busy = true;
  const count = (state.counts.get(step) ?? 0) + 1;
  state.counts.set(step, count);
  state.changed();
  const event = { step, line, connection: session.number, count };
  const action = (await state.options.script?.(event)) ?? usual;
  const reply = speak(session, action);
  // A hub that hangs reads no further command on that connection.
  session.busy = typeof action === "object" && "hang" in action;
  state.changed();
  return reply;
}

function speak(session: Session, action: Exclude<HubAction, undefined>): string | null {
  const { socket } = session;
  if (typeof action === "string") {
    socket.write(`${action}\r\n`);
    return action;
  }
  if ("hang" in action) return null;
  if ("inject" in action) {
    socket.write(`${action.reply}\r\n${action.inject}`);
    return action.reply;
  }
  if (action.reply !== undefined) socket.end(`${action.reply}\r\n`);
  else socket.destroy();
  return action.reply ?? null;
}

async function consume(state: HubState, session: Session): Promise<void> {
  while (!session.busy) {
    if (session.wire) {
      if (!(await consumeData(state, session, session.wire))) return;
      continue;
    }
    const end = session.input.indexOf("\r\n");
    if (end < 0) return;
    const line = session.input.subarray(0, end).toString("utf8");
    session.input = session.input.subarray(end + 2);
    state.lines.push(line);
    await command(state, session, line);
  }
}

async function command(state: HubState, session: Session, line: string): Promise<void> {
  const verb = (/^[a-z]+/i.exec(line)?.[0] ?? "").toLowerCase();
  const tell = (step: HubStep, usual: string) => act(state, session, step, line, usual);
  if (verb === "ehlo") {
    reset(session);
    await tell("ehlo", ehloReply(state, session));
  } else if (verb === "helo") {
    reset(session);
    await tell("helo", "250 hub.test");
  } else if (verb === "starttls") {
    const usual = state.identity ? "220 ready" : "502 5.5.1 no TLS here";
    if (isPositive(await tell("starttls", usual))) upgrade(state, session);
  } else if (verb === "mail") {
    if (isPositive(await tell("mail", "250 2.1.0 ok"))) {
      reset(session);
      session.mailLine = line;
    }
  } else if (verb === "rcpt") {
    if (isPositive(await tell("rcpt", session.mailLine ? "250 2.1.5 ok" : "503 5.5.1 no MAIL"))) {
      session.rcptLines.push(line);
      session.recipients.push(bracketed(line));
    }
  } else if (verb === "data") {
    const usual = session.recipients.length > 0 ? "354 go ahead" : "503 5.5.1 no RCPT";
    if ((await tell("data", usual))?.startsWith("354")) session.wire = takeInput(session);
  } else if (verb === "rset") {
    reset(session);
    await tell("rset", "250 2.0.0 ok");
  } else if (verb === "quit") {
    await tell("quit", "221 2.0.0 bye");
    session.socket.end();
  } else {
    await tell("other", "502 5.5.2 what");
  }
}

function takeInput(session: Session): Buffer[] {
  const taken = session.input;
  session.input = Buffer.alloc(0);
  return [taken];
}

const END = Buffer.from("\r\n.\r\n");

/** False when the final dot has not come yet. */
async function consumeData(state: HubState, session: Session, wire: Buffer[]): Promise<boolean> {
  const size = wire.reduce((sum, chunk) => sum + chunk.length, 0);
  const tail = Buffer.concat(lastChunks(wire, END.length));
  const isEmpty = size === 3 && tail.toString("latin1") === ".\r\n";
  const isAtEnd = tail.subarray(-END.length).equals(END);
  if (!isEmpty && !isAtEnd) return false;
  const bytes = Buffer.concat(wire);
  session.wire = null;
  const reply = await act(state, session, "dot", "", "250 2.0.0 queued");
  if (reply === null || isPositive(reply)) state.messages.push(toMessage(session, bytes, reply));
  reset(session);
  state.changed();
  return true;
}

function lastChunks(wire: readonly Buffer[], least: number): Buffer[] {
  const last: Buffer[] = [];
  let size = 0;
  for (let i = wire.length - 1; i >= 0 && size < least; i--) {
    const chunk = wire[i] ?? Buffer.alloc(0);
    last.unshift(chunk);
    size += chunk.length;
  }
  return last;
}

function toMessage(session: Session, wire: Buffer, reply: string | null): HubMessage {
  const lines = wire
    .subarray(0, wire.length - 3)
    .toString("latin1")
    .split("\r\n");
  const text = lines.map((line) => (line.startsWith(".") ? line.slice(1) : line)).join("\r\n");
  return {
    sender: bracketed(session.mailLine),
    recipients: session.recipients,
    mailLine: session.mailLine,
    rcptLines: session.rcptLines,
    data: Buffer.from(text, "latin1"),
    wire,
    connection: session.number,
    tls: session.tls,
    reply,
  };
}

function bracketed(line: string): string {
  return /<((?:"(?:[^"\\]|\\.)*"|[^">])*)>/.exec(line)?.[1] ?? "";
}

function reset(session: Session): void {
  session.mailLine = "";
  session.rcptLines = [];
  session.recipients = [];
}

function isPositive(reply: string | null): boolean {
  return reply?.startsWith("2") ?? false;
}

function ehloReply(state: HubState, session: Session): string {
  const keywords = [...(state.options.capabilities ?? CAPABILITIES)];
  if (state.identity && !session.tls) keywords.push("STARTTLS");
  const lines = ["hub.test", ...keywords];
  return lines.map((line, i) => `250${i === lines.length - 1 ? " " : "-"}${line}`).join("\r\n");
}

function upgrade(state: HubState, session: Session): void {
  if (!state.identity) return;
  const plain = session.socket;
  plain.removeAllListeners("data");
  session.input = Buffer.alloc(0);
  session.tls = true;
  const secureContext = createSecureContext(state.identity);
  const asks = { requestCert: true, rejectUnauthorized: false };
  const secure = new TLSSocket(plain, { isServer: true, secureContext, ...asks });
  secure.once("secure", () => {
    const { fingerprint256 } = secure.getPeerCertificate();
    if (fingerprint256) state.shown.push(fingerprint256);
    const { servername } = secure as { readonly servername?: string | false };
    if (servername) state.askedFor.push(servername);
  });
  attach(state, session, secure);
}
