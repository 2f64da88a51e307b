/**
 * What is an attempt? One try of a call at one member.
 */
import type { Call, HeaderList, Sent } from './call.ts';
import type { Member } from './member.ts';
import { type CancelListener, Operation } from './operation.ts';

export type { Sent } from './call.ts';

/** One try of a call at one member. */
export class Attempt extends Operation {
  readonly call: Call;
  /** 1 for the first. */
  readonly number: number;
  readonly member: Member;
  /** What goes out; the header filter replaces the caller's. */
  headers: HeaderList;
  sent: Sent = 'none';
  /** When the attempt started, of the mesh's clock. */
  readonly startedAt: number;

  constructor(call: Call, number: number, member: Member, startedAt: number) {
    super(call.name, call.options, call.deadline, call);
    this.call = call;
    this.number = number;
    this.member = member;
    this.headers = call.headers;
    this.startedAt = startedAt;
  }

  /** Registers `listener` for a cancellation of this attempt or of its call, whichever comes first. */
  override onCancel(listener: CancelListener): void {
    if (this.call.cancelled) listener(this.call.cancelReason);
    else {
      super.onCancel(listener);
      this.call.onCancel(listener);
    }
  }

  override offCancel(listener: CancelListener): void {
    super.offCancel(listener);
    this.call.offCancel(listener);
  }

  /** Whether `error` is the reason for which this attempt or its call was cancelled. */
  isCancelReason(error: unknown): boolean {
    const { call } = this;
    return (this.cancelled && error === this.cancelReason) || (call.cancelled && error === call.cancelReason);
  }
}
