import type { Ids } from "../base/ids.ts";
import type { MessageStore } from "../mail/message.ts";
import type { PolicyHolder } from "../policy/snapshot.ts";
import type { MailSigner } from "../relay/mail-signer.ts";
import type { StageServices } from "../stages/catalog.ts";
import type { BackPressure } from "./back-pressure.ts";
import type { CarryOutDeps } from "./carry-out.ts";

/** Everything a session needs from the house. */
export interface ReceiveDeps extends CarryOutDeps {
  readonly policy: PolicyHolder<StageServices>;
  readonly services: StageServices;
  readonly messages: MessageStore;
  readonly ids: Ids;
  readonly pressure: BackPressure;
  readonly signer: MailSigner;
  /** The names of all listeners. */
  readonly authservIds: readonly string[];
}
