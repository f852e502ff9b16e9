"""The permissions of a component: grants matched against canonical values. Deny by default; matching is pure."""
