/**
 * The one place where onnxruntime-node is imported. From version 1.30 on it writes a device id and
 * events below the home folder, a log into the temporary folder, and looks up a host of its maker,
 * unless the environment variable `ORT_DISABLE_TELEMETRY` says otherwise. It reads that when it is
 * first used, which is after this file was loaded: here it is off, unless somebody has set it.
 */
import { env, InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';

process.env['ORT_DISABLE_TELEMETRY'] ??= '1';

export { env, InferenceSession, listSupportedBackends, Tensor };
