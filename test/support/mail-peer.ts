/** A real mail server that sends everything it is given to the gateway. */
export interface MailPeer {
  /** Resolves when it has the message in its queue or, if it tries at once, has tried. */
  submit(mail: PeerMail): Promise<void>;
  /** Resolves when its log says that it has kept a message for later. */
  waitUntilKept(): Promise<void>;
  /** Lets it try again at once what it keeps. */
  retry(): Promise<void>;
  stop(): Promise<void>;
}

export interface PeerMail {
  readonly from: string;
  readonly to: string;
  /** Lines end in CRLF. */
  readonly message: Buffer;
}

export interface PeerOptions {
  /** Where the gateway listens, on 127.0.0.1. */
  readonly gatewayPort: number;
  /** STARTTLS, or the message is not sent; else plain SMTP, though it is offered. */
  readonly tls: boolean;
  /** Only Postfix logs on. */
  readonly login?: { readonly name: string; readonly password: string };
}

/** All of them need accounts or ports of their own. */
export function needsRoot(skip: string | false): string | false {
  if (process.getuid?.() === 0) return skip;
  const reason = "SKIPPED: mail servers as peers start only as root";
  process.stderr.write(`\n*** ${reason} ***\n`);
  return reason;
}
