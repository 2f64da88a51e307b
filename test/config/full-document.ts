/** A document that uses every field of the schema once. */
export const fullDocument = `# Bookinfo
$schema: ./schema.json
outboundTrafficPolicy: { mode: ALLOW_ANY }
services:
  - host: Reviews
    endpoints:
      - { address: 127.0.0.1:9081, labels: { version: v1 }, locality: eu/eu-1/a, weight: 3 }
      - address: "[::1]:9082"
        labels: { version: v3 }
      - address: unix:/run/reviews.sock
    resolution: STATIC
    subjectAltNames: ["spiffe://cluster.local/ns/bookinfo/sa/bookinfo-reviews"]
    subsets:
      - { name: v1, labels: { version: v1 } }
      - name: v3
        labels:
          version: v3
    trafficPolicy:
      loadBalancer:
        simple: LEAST_REQUEST
        panicThreshold: 40
        subsetSize: 30
        warmup: { duration: 1m, minimumPercent: 20, aggression: 2 }
        localityLbSetting: { failover: [{ from: eu, to: us }] }
      connectionPool:
        tcp: { maxConnections: 4, connectTimeout: 1s, idleTimeout: 2.5s }
        http:
          http1MaxPendingRequests: 64
          pendingTimeout: 3s
          http2MaxRequests: 500
          maxRequestsPerConnection: 1000
          h2UpgradePolicy: UPGRADE
      outlierDetection:
        disabled: false
        consecutive5xxErrors: 7
        consecutiveGatewayErrors: 3
        consecutiveLocalOriginFailures: 2
        interval: 5s
        baseEjectionTime: 10s
        maxEjectionTime: 1m
        maxEjectionPercent: 30
        successRate: { minimumHosts: 3, requestVolume: 50, stdevFactor: 2 }
        failurePercentage: { threshold: 60, minimumHosts: 2, requestVolume: 10 }
        latency: { factor: 4, minimum: 300ms, requestVolume: 16 }
        failFast: false
      healthCheck:
        http: { path: /healthz, expectedStatuses: [200, 204] }
        interval: 2s
        timeout: 500ms
        jitter: 100ms
        healthyThreshold: 3
        unhealthyThreshold: 1
      retryBudget: { percent: 25, minRetriesPerSecond: 5 }
      tls:
        mode: MUTUAL
        clientCertificate: certs/client.pem
        privateKey: certs/client.key
        caCertificates: certs/ca.pem
        sni: reviews.example
        subjectAltNames: [reviews.example]
      admissionControl: { k: 1.5, window: 60s, minRequestsPerSecond: 5, maxRejectionPercent: 70, darkMode: true }
      localRateLimit:
        tokenBucket: { maxTokens: 100, tokensPerFill: 10, fillInterval: 500ms }
        key: { httpHeaderName: X-Tenant }
        darkMode: true
      criticality: critical-plus
      timeout: 10s
      headTimeout: 3s
      bodyIdleTimeout: false
      circuitBreaker:
        consecutiveErrors: 8
        errorPercent: 60
        minRequests: 10
        window: 20s
        openTime: 2s
        darkMode: true
        forced: CLOSED
  - host: ratings
    resolution: DNS
    endpoints: [{ address: "ratings.internal:9080" }]
    trafficPolicy:
      loadBalancer:
        consistentHash: { httpCookie: { name: session }, maglev: { tableSize: 101 }, hashBalanceFactor: 150 }
  - host: details
    trafficPolicy:
      loadBalancer:
        weightedRoundRobin:
          blackoutPeriod: 5s
          weightExpirationPeriod: 1m
          weightUpdatePeriod: 2s
          errorUtilizationPenalty: 2
  - host: stock
    trafficPolicy:
      loadBalancer:
        prequal: { poolSize: 8, probeAge: 500ms, hotQuantile: 0.75 }
routes:
  - hosts: [reviews, shop]
    http:
      - name: canary
        match:
          - uri: { prefix: /reviews }
            method: { exact: GET }
            headers: { End-User: { exact: jason }, accept: { prefix: text/ } }
        timeout: 2s
        headTimeout: 1s
        bodyIdleTimeout: 500ms
        retries:
          max: 3
          perTryTimeout: 250ms
          retryOn: connect-failure, 503
          backoff: { baseInterval: 10ms, maxInterval: 100ms }
        circuitBreaker: { openTime: 1s }
        localRateLimit: { tokenBucket: { maxTokens: 5, fillInterval: 1s } }
        criticality: sheddable
        route:
          - { destination: { host: reviews, subset: v1 }, weight: 90 }
          - { destination: { host: reviews, subset: v3 }, weight: 10 }
      - route: [{ destination: { host: ratings } }]
`;
