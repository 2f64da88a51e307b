/** Under which name do spans and metrics appear in OpenTelemetry? */
export const instrumentationScope = Object.freeze({ name: 'inmesh', version: '0.1.0' });
