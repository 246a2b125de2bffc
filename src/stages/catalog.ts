import type { AnyStage } from "../pipeline/stage.ts";
import { accessStage } from "./access/access.ts";
import type { ExceptionServices } from "./access/exception-book.ts";
import { fromAccessStage } from "./access/from-access.ts";
import { senderAccessStage } from "./access/sender-access.ts";

import { spfAccessStage } from "./access/spf-access.ts";

import { trustedRelayStage } from "./access/trusted-relay.ts";

import { type AntivirusServices, antivirusStage } from "./antivirus/antivirus.ts";
import { type ArcServices, arcStage } from "./arc.ts";
import { type AttachmentsServices, attachmentsStage } from "./attachments/attachments.ts";
import { type DkimServices, dkimStage } from "./dkim.ts";
import { type DmarcServices, dmarcStage } from "./dmarc.ts";
import { type DnsblServices, dnsblStage } from "./dnsbl/dnsbl.ts";
import { type DomainsServices, domainsStage } from "./domains/domains.ts";
import { fromStage } from "./from/from.ts";
import { greylistStage } from "./greylist/greylist.ts";
import { type HeloServices, heloStage } from "./helo/helo.ts";
import { ownAuthorStage } from "./own-author.ts";
import { ownSenderStage } from "./own-sender.ts";
import { pregreetStage } from "./pregreet.ts";
import {
  connectionRateStage,
  messageRateStage,
  type RateServices,
  rcptRateStage,
} from "./rate/rate.ts";
import { type ReputationStageServices, reputationStage } from "./reputation/reputation.ts";
import { type ReverseDnsServices, reverseDnsStage } from "./reverse-dns/reverse-dns.ts";

import { type BounceTagServices, bounceTagStage } from "./rewriting/bounce-tag.ts";
import { copiesStage } from "./rewriting/copies.ts";
import { rewriteHeadersStage } from "./rewriting/rewrite-headers.ts";
import { rewriteRecipientStage } from "./rewriting/rewrite-recipient.ts";
import { rewriteSenderStage } from "./rewriting/rewrite-sender.ts";
import { type SrsServices, srsStage } from "./rewriting/srs.ts";
import { type SenderDomainServices, senderDomainStage } from "./sender-domain.ts";
import { type SenderIdServices, senderIdStage } from "./sender-id.ts";
import {
  recipientRateStage,
  type SenderRateServices,
  senderRateStage,
} from "./sender-rate/sender-rate.ts";
import { type SpfServices, spfStage } from "./spf.ts";

/** What the stages need of the world; compose.ts gives it. */
export interface StageServices
  extends AntivirusServices,
    ArcServices,
    AttachmentsServices,
    BounceTagServices,
    DkimServices,
    DmarcServices,
    DnsblServices,
    DomainsServices,
    ExceptionServices,
    ReputationStageServices,
    HeloServices,
    RateServices,
    ReverseDnsServices,
    SenderDomainServices,
    SenderIdServices,
    SenderRateServices,
    SpfServices,
    SrsServices {}

/** Every stage there is, in the order of a session. A new one is one more word here. */
export function createCatalog(): readonly AnyStage<StageServices>[] {
  return [
    accessStage,
    connectionRateStage,
    dnsblStage,
    reverseDnsStage,
    pregreetStage,
    heloStage,
    senderAccessStage,
    spfStage,
    senderDomainStage,
    spfAccessStage,
    reputationStage,
    messageRateStage,
    bounceTagStage,
    rewriteRecipientStage,
    srsStage,
    ownSenderStage,
    senderRateStage,
    recipientRateStage,
    rewriteSenderStage,
    domainsStage,
    rcptRateStage,
    greylistStage,
    copiesStage,
    ownAuthorStage,
    trustedRelayStage,
    dkimStage,
    fromStage,
    fromAccessStage,
    arcStage,
    dmarcStage,
    senderIdStage,
    attachmentsStage,
    antivirusStage,
    rewriteHeadersStage,
  ];
}
