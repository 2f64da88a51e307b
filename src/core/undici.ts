/**
 * Why is undici imported through here? Its import makes an agent of its own the dispatcher of built-in fetch on Node 22,
 * and so changes every fetch of a program that merely imports the mesh: one with a content-length of the caller fails
 * then (nodejs/undici#5500). Here the dispatcher is noted before the import and put back after it, so the order of the
 * two lines below is load-bearing. Types may be imported from undici itself.
 */
import { restorePlatformDispatcher } from './platform-dispatcher.ts';

export {
  Agent,
  buildConnector,
  Dispatcher,
  Dispatcher1Wrapper,
  errors,
  getGlobalDispatcher,
  interceptors,
  Pool,
  request,
  setGlobalDispatcher,
} from 'undici';

restorePlatformDispatcher();
