//! Services of type LoadBalancer: an address on the cluster's network, announced by one node.
