"""What is known of parotid glands: where they lie, what they look like, what a reviewer should see."""
