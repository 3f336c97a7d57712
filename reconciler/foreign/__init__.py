"""Read the grants in the files of other tools: auth0-deploy-cli and Terraform."""
